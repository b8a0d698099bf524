package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

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

func newBackupCommand(a *app) *cobra.Command {
	var recipients []string
	var plain bool
	cmd := &cobra.Command{
		Use:   "backup DIR [--recipient KEY]...",
		Short: "Copy a home while it serves",
		Long: `Copies HOME into DIR, which must be new or empty, while a server runs or while none does: the
files that a team edits, the trail and the agents as they are at one moment, a manifest with
the hash of every file, signed by the key that signs the trail, and a checkpoint.

The authorities' keys and the secret files inside HOME are copied only encrypted, to each
--recipient: a public key of age (age1...) or of SSH, or a file of such keys. Without them, a
restored home has new authorities, and every agent needs a new certificate. --with-keys
copies them in plain: whoever reads DIR can then make agents and use every secret. The key
that signs the trail is never copied, for a restored trail goes on under another.`,
		Example: "  sallyport backup /mnt/backups/2026-11-30 --recipient age1qqp...\n" +
			"  sallyport backup /mnt/backups/2026-11-30 --recipient operators.pub",
		Args: oneArg("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			b := backing{app: a, dir: args[0], plain: plain}
			if len(recipients) > 0 {
				var err error
				if b.to, err = backup.ParseRecipients(recipients); err != nil {
					return usagef("--recipient: %v", err)
				}
			}
			return b.run(cmd.Context())
		},
	}
	cmd.Flags().StringArrayVar(&recipients, "recipient", nil, "public key that the keys and secrets are encrypted to, or a file of them (repeatable)")
	cmd.Flags().BoolVar(&plain, "with-keys", false, "copy keys and secrets in plain")
	cmd.MarkFlagsMutuallyExclusive("recipient", "with-keys")
	return cmd
}

// backing is one backup being made.
type backing struct {
	*app
	dir    string
	to     *backup.Recipients
	plain  bool
	layout config.Layout
	writer *backup.Writer
	copied trail.Copied
	agents []identity.Agent // of the copy
}

func (b *backing) run(ctx context.Context) (err error) {
	if b.layout, err = b.app.env().Layout(); err != nil {
		return err
	}
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return err
	}
	if name, err := filepath.Rel(b.layout.Dir, b.dir); err == nil && filepath.IsLocal(name) {
		return usagef("%s is inside HOME; a backup belongs elsewhere, best on another machine", b.dir)
	}
	if b.plain {
		fmt.Fprintf(b.stderr, "warning: %s will hold the authorities' keys and all secret files in plain: whoever reads it can make agents\n", printable(b.dir))
	}
	var sum string
	err = b.administer(ctx, func(server server.Administration) error {
		if b.writer, err = backup.Create(b.dir); err != nil {
			return err
		}
		sum, err = b.make(ctx, server)
		return errors.Join(err, b.writer.Close())
	})
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return b.print(sum)
}

// make records that a backup begins, makes it, and records what it became.
func (b *backing) make(ctx context.Context, server server.Administration) (string, error) {
	r := admin.BackupRequest{Dir: b.dir, Keys: b.keys(), Recipients: b.to.Names()}
	if _, err := server.RecordBackup(ctx, r); err != nil {
		return "", err
	}
	if err := b.fill(ctx); err != nil {
		return "", err
	}
	sum, err := b.writer.Seal(func(text string) (string, error) { return trail.SignText(b.layout.TrailKey(), text) })
	if err != nil {
		return "", err
	}
	r.Manifest, r.Events = sum, b.copied.Events
	if _, err := server.RecordBackup(ctx, r); err != nil {
		return "", fmt.Errorf("%s is whole, but: %w", b.dir, err)
	}
	return sum, nil
}

func (b *backing) keys() string {
	switch {
	case b.to != nil:
		return backup.KeysEncrypted
	case b.plain:
		return backup.KeysPlain
	}
	return backup.KeysNone
}

// fill copies. The trail comes before the agents: whatever it says of an agent was done
// in the registry first, so that the copy of the registry has it.
func (b *backing) fill(ctx context.Context) error {
	if err := b.awaitCheckpoint(ctx); err != nil {
		return err
	}
	if err := b.copyFiles(); err != nil {
		return err
	}
	err := b.copyState(b.layout.Trail(), func(to string) (err error) {
		b.copied, err = trail.Copy(ctx, b.layout.Trail(), to)
		return err
	})
	if err != nil {
		return err
	}
	err = b.copyState(b.layout.Registry(), func(to string) (err error) {
		if err := identity.Copy(ctx, b.layout.Registry(), to); err != nil {
			return err
		}
		b.agents, err = identity.ReadAgents(ctx, to)
		return err
	})
	if err != nil {
		return err
	}
	public, err := os.ReadFile(b.layout.TrailPublicKey())
	if err != nil {
		return fmt.Errorf("read the trail's public key: %w", err)
	}
	if err := b.writer.AddTrail(string(public), b.copied.Checkpoint.Note); err != nil {
		return err
	}
	return b.describe()
}

// awaitCheckpoint waits until what records the beginning is signed for, which a running
// trail does within a second, so that the copy holds a checkpoint that is as new as it is.
func (b *backing) awaitCheckpoint(ctx context.Context) error {
	deadline := time.Now().Add(server.Patience)
	return readTrailAt(b.layout.Trail(), func(r *trail.Reader) error {
		begun, err := r.Last(ctx, audit.TypeBackupStarted)
		if err != nil {
			return err
		}
		for {
			if _, err = r.Covering(ctx, begun.Seq); !errors.Is(err, audit.ErrNoCheckpoint) {
				return err
			}
			if time.Now().After(deadline) {
				return hint.With(errors.New("the trail has signed no checkpoint for 5 seconds"), "see the server's log, and `sallyport audit verify`")
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(server.LookAway):
			}
		}
	})
}

func (b *backing) copyFiles() error {
	all, err := config.Collect(b.layout)
	if err != nil {
		return err
	}
	for _, f := range all.Files {
		if err := b.writer.AddHome(f.Path, f.Data); err != nil {
			return err
		}
	}
	b.writer.Manifest.LeftOut = append(b.writer.Manifest.LeftOut, all.Outside...)
	secrets := make([]backup.Secret, 0, len(all.Secrets))
	for _, f := range all.Secrets {
		secrets = append(secrets, backup.Secret{Path: f.Path, Data: f.Data})
		if b.keys() == backup.KeysNone {
			b.writer.Manifest.LeftOut = append(b.writer.Manifest.LeftOut, f.Path)
		}
	}
	if b.keys() == backup.KeysNone {
		return nil
	}
	return b.writer.AddSecrets(secrets, b.to)
}

// copyState copies a database of the state folder under its own name.
func (b *backing) copyState(path string, write func(to string) error) error {
	name, err := filepath.Rel(b.layout.Dir, path)
	if err != nil {
		return err
	}
	return b.writer.CopyHome(name, write)
}

// describe fills the manifest with what the copies hold.
func (b *backing) describe() error {
	m := &b.writer.Manifest
	m.MadeAt, m.Version = b.now().UTC(), readBuild().Version
	m.Trail = backup.Trail{Events: b.copied.Events, Root: b.copied.Root, Checkpoint: b.copied.Checkpoint.Size}
	config, err := config.LoadConfig(b.layout)
	if err != nil {
		return err
	}
	m.TrustDomain = config.TrustDomain
	for _, g := range b.agents {
		m.Agents.All++
		if g.State(m.MadeAt) == string(identity.Active) {
			m.Agents.Active++
		}
	}
	return nil
}

func (b *backing) print(sum string) error {
	m := b.writer.Manifest
	if b.json() {
		return writeJSON(b.stdout, map[string]any{"dir": b.dir, "manifest_sha256": sum, "manifest": m})
	}
	keys := map[string]string{
		backup.KeysNone:      "none; a home restored from it has new authorities, and agents need new certificates",
		backup.KeysEncrypted: fmt.Sprintf("encrypted to %d recipients", len(m.Recipients)),
		backup.KeysPlain:     "in plain",
	}[m.Keys]
	err := fields(b.stdout,
		"backup", b.dir,
		"trail", fmt.Sprintf("%d events, signed up to event %d", m.Trail.Events, m.Trail.Checkpoint),
		"agents", fmt.Sprintf("%d, %d of them active", m.Agents.All, m.Agents.Active),
		"files", fmt.Sprint(len(m.Files)),
		"keys", keys,
		"manifest", "sha256 "+sum,
	)
	for _, what := range m.LeftOut {
		fmt.Fprintf(b.stdout, "not in it: %s\n", printable(what))
	}
	return err
}
