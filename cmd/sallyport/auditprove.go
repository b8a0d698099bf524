package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/internal/hint"
)

func newAuditProveCommand(a *app) *cobra.Command {
	var out string
	var outcome bool
	cmd := &cobra.Command{
		Use:   "prove ID",
		Short: "Write a proof that one event is in the trail, for somebody who has neither",
		Long: `Writes a self-contained proof for one event: the event, the hashes that lead from it to the
root of the tree, and the signed checkpoint of that root. ID is the id of an exchange, for
its intent or with --outcome its outcome, or the sequence number of any event.`,
		Example: "  sallyport audit prove 0198c0de-7b5a-7c3e-9f1a-2b3c4d5e6f70 --out proof.json\n" +
			"  sallyport audit check-proof proof.json --key trail.key.pub",
		Args: oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.readTrail(func(r *trail.Reader) error {
				seq, err := provenEvent(cmd.Context(), a, r, args[0], outcome)
				if err != nil {
					return err
				}
				return proveEvent(cmd.Context(), a, r, seq, out)
			})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "write to this file instead of standard output")
	cmd.Flags().BoolVar(&outcome, "outcome", false, "prove the exchange's outcome instead of its intent")
	return cmd
}

func provenEvent(ctx context.Context, a *app, r *trail.Reader, id string, outcome bool) (uint64, error) {
	if seq, err := strconv.ParseUint(id, 10, 63); err == nil && seq > 0 && !outcome {
		return seq, nil
	}
	exchange, err := uuid.Parse(id)
	if err != nil {
		return 0, usagef("%q is neither the id of an exchange nor the sequence number of an event", id)
	}
	x, _, err := showExchange(ctx, a, r, exchange)
	switch {
	case err != nil:
		return 0, err
	case !outcome:
		return x.Seq, nil
	case !x.Ended:
		return 0, fmt.Errorf("exchange %s is still open, it has no outcome", exchange)
	}
	return x.OutcomeSeq, nil
}

func proveEvent(ctx context.Context, a *app, r *trail.Reader, seq uint64, out string) error {
	proof, err := r.Prove(ctx, seq)
	if errors.Is(err, audit.ErrNoCheckpoint) {
		return hint.With(err, "a running server signs one within a second; try again")
	}
	if err != nil {
		return err
	}
	if out == "" {
		return writeJSON(a.stdout, proof)
	}
	text, err := json.MarshalIndent(proof, "", "  ")
	if err != nil {
		return fmt.Errorf("encode proof: %w", err)
	}
	if err := replaceFile(out, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write proof: %w", err)
	}
	_, err = fmt.Fprintf(a.stdout, "event %d is proven in %s\n", seq, printable(out))
	return err
}

func newAuditCheckProofCommand(a *app) *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:   "check-proof FILE --key FILE",
		Short: "Check a proof with nothing but the public key",
		Long: `Checks a proof that audit prove has written. It needs the proof and the trail's public key
(state/trail.key.pub), which must come from somebody you trust, and no home and no trail.
Exit code 1 if the proof is worth nothing.`,
		Example: "  sallyport audit check-proof proof.json --key trail.key.pub",
		Args:    oneArg("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			proof, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("read proof: %w", err)
			}
			public, err := os.ReadFile(key)
			if err != nil {
				return fmt.Errorf("read public key: %w", err)
			}
			event, checkpoint, err := audit.CheckProof(proof, string(public))
			if err != nil {
				return fmt.Errorf("%s, with the key in %s: %w", args[0], key, err)
			}
			return printProven(a, event, checkpoint)
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "file of the public key (required)")
	require(cmd, "key")
	return cmd
}

func printProven(a *app, e audit.EventRow, c audit.Checkpoint) error {
	if a.json() {
		return writeJSON(a.stdout, map[string]any{
			"ok": true, "event": e,
			"checkpoint": map[string]any{"origin": c.Origin, "size": c.Size, "root": c.Root.String()},
		})
	}
	fmt.Fprintf(a.stdout, "proven: event %d of the %d that %s has signed for\n\n", e.Seq, c.Size, printable(c.Origin))
	pairs := []string{"seq", strconv.FormatUint(e.Seq, 10), "type", e.Type, "at", a.moment(e.At), "id", e.ID.String()}
	if e.Exchange != uuid.Nil {
		pairs = append(pairs, "exchange", e.Exchange.String())
	}
	payload, err := eventPayload(e)
	if err != nil {
		return err
	}
	return fields(a.stdout, append(pairs, "payload", payload)...)
}
