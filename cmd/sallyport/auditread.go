package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/internal/nearest"
)

// plain is a JSON value as people read it: text without its quotes, nothing for null.
func plain(raw []byte) string {
	var s string
	switch {
	case string(raw) == "null":
		return ""
	case raw[0] != '"':
		return string(raw)
	case !bytes.ContainsRune(raw, '\\'):
		return string(raw[1 : len(raw)-1])
	case json.Unmarshal(raw, &s) == nil:
		return s
	}
	return string(raw)
}

func printEvents(a *app, events []audit.EventRow) error {
	rows := make([][]string, 0, len(events))
	for _, e := range events {
		payload, err := eventPayload(e)
		if err != nil {
			return err
		}
		rows = append(rows, []string{strconv.FormatUint(e.Seq, 10), a.moment(e.At), e.Type, payload})
	}
	return wholeTable(a.stdout, []string{"SEQ", "AT", "EVENT", "PAYLOAD"}, rows)
}

func eventPayload(e audit.EventRow) (string, error) {
	if len(e.Payload) == 0 {
		return "", nil
	}
	var whole struct {
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(e.AppendJSON(nil), &whole); err != nil {
		return "", fmt.Errorf("encode event %d: %w", e.Seq, err)
	}
	return string(whole.Payload), nil
}

func newAuditTailCommand(a *app) *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:     "tail",
		Short:   "Print the newest exchanges as JSON lines, and new ones as they end",
		Long:    "Prints the newest exchanges, oldest first, one JSON object a line; -o text prints one line for people instead.",
		Example: "  sallyport audit tail --follow | jq .path",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			asText := cmd.Flags().Changed("output") && !a.json()
			return a.readTrail(func(r *trail.Reader) error {
				return r.Tail(ctx, follow, func(x audit.Exchange) error { return printLine(a, x, asText) })
			})
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until interrupted")
	return cmd
}

func printLine(a *app, x audit.Exchange, asText bool) error {
	if !asText {
		return writeJSONLine(a, &x)
	}
	cells := a.exchangeRow(&x)
	for i, c := range cells {
		if cells[i] = shortened(c, cellWidth); c == "" {
			cells[i] = "-"
		}
	}
	_, err := fmt.Fprintln(a.stdout, strings.Join(cells, "  "))
	return err
}

func newAuditEventsCommand(a *app) *cobra.Command {
	var f audit.EventFilter
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Print the log itself, oldest first",
		Long: `Prints the append-only log that everything else is derived from: intents and outcomes,
agents created and revoked, configuration loaded, starts and stops. With -o json, one array.`,
		Example: "  sallyport audit events --type agent.revoked",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.Limit < 0 {
				return usagef("--limit must not be negative")
			}
			return a.readTrail(func(r *trail.Reader) error {
				if err := checkEventType(cmd.Context(), r, f.Type); err != nil {
					return err
				}
				if a.json() {
					return streamEvents(a, cmd, r, f)
				}
				return r.Events(cmd.Context(), f, func(e audit.EventRow) error {
					payload, err := eventPayload(e)
					if err != nil {
						return err
					}
					_, err = fmt.Fprintf(a.stdout, "%d  %s  %s  %s\n", e.Seq, a.moment(e.At), shortened(e.Type, cellWidth), shortened(payload, payloadWidth))
					return err
				})
			})
		},
	}
	cmd.Flags().StringVar(&f.Type, "type", "", "only events of this type")
	cmd.Flags().Uint64Var(&f.After, "after", 0, "only events after this sequence number")
	cmd.Flags().IntVar(&f.Limit, "limit", 0, "at most so many; 0 for all")
	return cmd
}

// checkEventType refuses a type of which there is no event and which nobody writes.
func checkEventType(ctx context.Context, r *trail.Reader, name string) error {
	known := audit.EventTypes()
	if name == "" || slices.Contains(known, name) {
		return nil
	}
	if _, err := r.Last(ctx, name); !errors.Is(err, audit.ErrNotFound) {
		return err
	}
	if slip, meant := nearest.Slip(name, known); meant {
		return usagef("--type %q: there is no such event; did you mean %s?", name, slip)
	}
	return usagef("--type %q: there is no such event; the types are %s", name, strings.Join(known, ", "))
}

func streamEvents(a *app, cmd *cobra.Command, r *trail.Reader, f audit.EventFilter) error {
	array := newJSONArray(a.stdout)
	err := r.Events(cmd.Context(), f, func(e audit.EventRow) error {
		data, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode event %d: %w", e.Seq, err)
		}
		return array.add(data)
	})
	if err != nil {
		return err
	}
	return array.end()
}
