package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/config"
	"sallyport/identity"
	"sallyport/internal/backup"
	"sallyport/internal/hint"
	"sallyport/server"
)

// restoreFlags say how much of a backup is taken to be the newest there is.
type restoreFlags struct {
	key         string
	identities  []string
	withoutKeys bool
	newest      bool
	trail       string
}

func newRestoreCommand(a *app) *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use:   "restore DIR [--identity FILE]",
		Short: "Make a home from a backup",
		Long: `Makes HOME, which must be new or empty, from a backup in DIR. Every file is held to the
manifest, the manifest to its signature, and the trail is verified; HOME is there whole, or
not at all.

What was done after the backup is not in it, so agents may have been suspended or revoked
since. All active agents are therefore suspended until somebody has looked and resumed them.
--newest says that nothing was done after this backup. --trail names an audit.db that goes
further, as the lost home may have left it (with its -wal file): agents that it says were
revoked since are revoked, those that anything else was done to are suspended, and the rest
stay as they are. The restored trail goes on under a log identity of its own, whose first
event names the checkpoint that it continues.

Keys that are encrypted need --identity, a file with a private key of age or SSH. Without
keys the home gets new authorities: give each agent a new certificate by agent renew, and its
sandbox the new files.`,
		Example: "  sallyport restore /mnt/backups/2026-11-30 --home /srv/sallyport --identity operator.key --key trail.key.pub",
		Args:    oneArg("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := restoring{app: a, flags: f}
			return r.run(cmd.Context(), args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.identities, "identity", nil, "file with a private key of age or SSH that decrypts the keys (repeatable)")
	flags.StringVar(&f.key, "key", "", "public key of the trail, kept elsewhere, to verify the backup with (default the backup's own)")
	flags.BoolVar(&f.withoutKeys, "without-keys", false, "leave the backup's keys and secrets alone and make new authorities")
	flags.BoolVar(&f.newest, "newest", false, "nothing was done after this backup: active agents stay active")
	flags.StringVar(&f.trail, "trail", "", "an audit.db that goes further than the backup's, to tell what was done to agents since")
	cmd.MarkFlagsMutuallyExclusive("identity", "without-keys")
	cmd.MarkFlagsMutuallyExclusive("newest", "trail")
	return cmd
}

// restoring is one home being made from a backup, in a folder of its own that becomes HOME
// when it is whole; see claimHome.
type restoring struct {
	*app
	flags     restoreFlags
	layout    config.Layout // of HOME
	staged    config.Layout
	moving    bool // it is whole, and some of it may be in its place
	backup    *backup.Backup
	set       *config.Set // nil if the files are not in order
	suspended []identity.Agent
	revoked   []identity.Agent
	since     *since // what --trail says; nil without

	certificates []identity.Certificate // revoked now, because it says so
	log          string                 // the trail's new identity
	newCAs       bool
	warnings     []string
}

func (r *restoring) run(ctx context.Context, dir string) (err error) {
	if r.layout, err = r.app.env().Place(); err != nil {
		return err
	}
	var public []byte
	if r.flags.key != "" {
		if public, err = os.ReadFile(r.flags.key); err != nil {
			return fmt.Errorf("read the public key: %w", err)
		}
	}
	if r.backup, err = backup.Open(dir, string(public), audit.OpenText); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer func() { err = errors.Join(err, r.backup.Close()) }()
	if err := r.claimHome(); err != nil {
		return err
	}
	if err := r.make(ctx); err != nil {
		if !r.moving {
			err = errors.Join(err, os.RemoveAll(r.staged.Dir))
		}
		return fmt.Errorf("restore: %w", err)
	}
	return r.print()
}

func (r *restoring) make(ctx context.Context) error {
	secrets, err := r.secrets()
	if err != nil {
		return err
	}
	if err := r.backup.CopyHome(r.staged.Dir); err != nil {
		return err
	}
	if err := backup.WriteSecrets(r.staged.Dir, secrets); err != nil {
		return err
	}
	if err := r.verifyTrail(ctx); err != nil {
		return err
	}
	if err := r.complete(); err != nil {
		return err
	}
	if err := r.goOn(ctx); err != nil {
		return err
	}
	return r.moveToPlace()
}

func (r *restoring) secrets() ([]backup.Secret, error) {
	if r.flags.withoutKeys {
		return nil, nil
	}
	with, err := backup.ReadIdentities(r.flags.identities)
	if err != nil {
		return nil, err
	}
	secrets, err := r.backup.Secrets(with)
	if err != nil && r.backup.Manifest.Keys == backup.KeysEncrypted {
		return nil, hint.With(fmt.Errorf("%w; it is to %s", err, strings.Join(r.backup.Manifest.Recipients, ", ")),
			"give the private key with --identity FILE, or go without by --without-keys, which makes new authorities")
	}
	return secrets, err
}

// verifyTrail holds the copied trail to the manifest and to the backup's checkpoint.
func (r *restoring) verifyTrail(ctx context.Context) error {
	o := audit.VerifyOptions{PublicKey: r.backup.PublicKey, Progress: r.progress("verified")}
	if r.backup.Checkpoint != "" {
		o.Checkpoint = []byte(r.backup.Checkpoint)
	}
	return readTrailAt(r.staged.Trail(), func(reader *trail.Reader) error {
		report, err := reader.VerifyWith(ctx, o)
		if err != nil {
			return err
		}
		m := r.backup.Manifest.Trail
		if report.OK && (report.Events != m.Events || report.Root != m.Root) {
			return fmt.Errorf("the trail has %d events with the root %s, and the manifest says %d with %s", report.Events, report.Root, m.Events, m.Root)
		}
		if !report.OK {
			return fmt.Errorf("the backup's trail does not verify:\n%s", strings.Join(report.Problems, "\n"))
		}
		return nil
	})
}

// complete makes new authorities if the backup holds none.
func (r *restoring) complete() error {
	i := &initialisation{app: r.app, layout: r.staged}
	_, key := r.staged.AgentCA()
	r.newCAs = !i.exists(key)
	if err := i.run(); err != nil {
		return err
	}
	options, err := r.app.env().Options(r.staged)
	if err != nil {
		return err
	}
	files, err := config.OpenStore(r.staged, options)
	if err != nil { // a home whose files were broken when it was copied is restored all the same
		r.warnings = append(r.warnings, strings.ReplaceAll(err.Error(), r.staged.Dir, r.layout.Dir))
		return nil
	}
	r.set = files.Current()
	return nil
}

// goOn suspends the agents whose state may be older than it should be, and makes the trail
// go on, with an event for all of it.
func (r *restoring) goOn(ctx context.Context) (err error) {
	registry, err := identity.Open(ctx, r.staged.Registry(), r.now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, registry.Close()) }()
	m := r.backup.Manifest
	if err := r.settle(ctx, registry); err != nil {
		return err
	}
	r.log = m.TrustDomain + "/restored/" + r.now().UTC().Format("20060102T150405Z") + "-" + randomSuffix()
	about := map[string]any{"backup": r.backup.Hash, "made_at": m.MadeAt}
	writer, err := trail.Open(ctx, trail.Config{
		Path: r.staged.Trail(), Durability: trail.DurabilityFsync, Instance: server.InstanceName(), Now: r.now,
		Log: slog.New(slog.NewTextHandler(r.stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Key: r.staged.TrailKey(), Origin: r.log,
		Continue: &trail.Continuation{PublicKey: r.backup.PublicKey, Payload: about},
	})
	if err != nil {
		return err
	}
	service := admin.NewService(admin.Config{Registry: registry, Trail: writer, View: r.view, Now: r.now})
	err = service.As(admin.Self()).RecordRestore(ctx, r.event(), slices.Concat(r.suspended, r.revoked), r.certificates)
	return errors.Join(err, writer.Close(context.WithoutCancel(ctx)))
}

// event is what the trail says of the restore.
func (r *restoring) event() map[string]any {
	m := r.backup.Manifest
	payload := map[string]any{
		"backup": r.backup.Hash, "made_at": m.MadeAt, "version": m.Version, "keys": r.keys(), "newest": r.flags.newest,
		"suspended": len(r.suspended), "revoked": len(r.revoked),
		"certificates": len(r.certificates), "new_authorities": r.newCAs,
	}
	if r.since != nil {
		payload["later_events"], payload["later_root"] = r.since.events, r.since.root
	}
	return payload
}

func (r *restoring) keys() string {
	if r.flags.withoutKeys {
		return backup.KeysNone
	}
	return r.backup.Manifest.Keys
}

func (r *restoring) view() admin.View {
	v := admin.View{TrustDomain: r.backup.Manifest.TrustDomain}
	if r.set != nil {
		v.Policies, v.Owners, v.Credentials = r.set.Policies, r.set.Owners, r.set.Credentials
	}
	return v
}

func randomSuffix() string {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails (crypto/rand.Read)
	return hex.EncodeToString(b)
}

func (r *restoring) print() error {
	m := r.backup.Manifest
	if r.json() {
		return writeJSON(r.stdout, map[string]any{
			"home": r.layout.Dir, "made_at": m.MadeAt, "log": r.log, "events": m.Trail.Events, "suspended": ids(r.suspended), "revoked": ids(r.revoked),
			"new_authorities": r.newCAs, "left_out": m.LeftOut, "warnings": append([]string{}, r.warnings...),
		})
	}
	err := fields(r.stdout,
		"home", r.layout.Dir,
		"backup", "of "+r.moment(m.MadeAt)+", version "+m.Version,
		"trail", fmt.Sprintf("%d events, goes on as the log %s", m.Trail.Events, r.log),
		"agents", fmt.Sprintf("%d, %d suspended now, %d revoked now, and %d certificates of others", m.Agents.All, len(r.suspended), len(r.revoked), len(r.certificates)),
	)
	if len(r.suspended) > 0 {
		fmt.Fprintln(r.stdout, "next: look at each suspended agent (agent list), and `sallyport agent resume ID` where nothing was done since the backup")
		fmt.Fprintln(r.stdout, "      where a certificate of it may have been revoked since: `sallyport agent renew ID --replace --out DIR`")
	}
	if r.newCAs {
		fmt.Fprintln(r.stdout, "next: the authorities are new; `sallyport agent renew ID --out DIR` for each agent, and give its sandbox the new files")
	}
	if r.flags.withoutKeys && m.Keys != backup.KeysNone {
		fmt.Fprintln(r.stdout, "not restored: the keys and secret files that are in the backup")
	}
	for _, what := range m.LeftOut {
		fmt.Fprintf(r.stdout, "not in the backup: %s\n", printable(what))
	}
	for _, w := range r.warnings {
		fmt.Fprintf(r.stderr, "warning: %s\n", printable(w))
	}
	return err
}

func ids(agents []identity.Agent) []string {
	list := make([]string, 0, len(agents))
	for _, a := range agents {
		list = append(list, a.ID.String())
	}
	return list
}
