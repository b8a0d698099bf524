package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"sallyport/admin"
	"sallyport/certs"
	"sallyport/identity/join"
	"sallyport/internal/hint"
	"sallyport/sandbox/enrol"
	"sallyport/sandbox/sidecar"
)

// filePending is the key of a request that has not been answered yet.
const filePending = "next.key"

// joinOptions are the flags about an identity that the sidecar gets and renews by itself.
type joinOptions struct{ token, state string }

func (o *joinOptions) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.token, "join", "", "join token of sallyport agent invite: @FILE reads it from a file, @- from standard input")
	flags.StringVar(&o.state, "state", "", "folder in which the identity that was joined outlives this process (default memory only)")
}

func (o *joinOptions) on() bool { return o.token != "" || o.state != "" }

// prepare makes the folder of --state.
func (o *joinOptions) prepare() error {
	if o.state == "" {
		return nil
	}
	if err := os.MkdirAll(o.state, 0o700); err != nil {
		return fmt.Errorf("make --state: %w", err)
	}
	return nil
}

// read returns the token that --join names.
func (o *joinOptions) read(a *app) (join.Token, error) {
	text := o.token
	if file, isFile := strings.CutPrefix(text, "@"); isFile {
		data, err := readToken(a, file)
		if err != nil {
			return join.Token{}, fmt.Errorf("--join: %w", err)
		}
		text = string(data)
	} else {
		fmt.Fprintln(a.stderr, "sallyport: --join: other users of this machine can see the token in the list of processes; @FILE reads it from a file")
	}
	token, err := join.ParseToken(text)
	if err != nil {
		return join.Token{}, &usageError{msg: "--join: " + err.Error()}
	}
	return token, nil
}

// maxTokenFile bounds what is read of a token.
const maxTokenFile = 64 << 10

func readToken(a *app, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(io.LimitReader(a.stdin, maxTokenFile))
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxTokenFile))
}

// joined is an identity that the sidecar got by itself, and where its public files are.
type joined struct {
	*enrol.Keeper
	folder string
	remove func() error // what ends with this process
}

// keep renews the identity in the background until the function that it returns is called,
// which also removes what ends with this process. There is nothing to do for nil.
func (j *joined) keep(ctx context.Context) (end func()) {
	if j == nil {
		return func() {}
	}
	ctx, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { j.Run(ctx) })
	return func() {
		stop()
		work.Wait()
		if err := j.remove(); err != nil {
			j.Log.Warn("files of the agent are left", "folder", j.folder, "error", err)
		}
	}
}

// joinIdentity gets an identity by the token or goes on with the one in the folder.
func joinIdentity(ctx context.Context, a *app, o *joinOptions, log *slog.Logger) (*joined, error) {
	if o.state == "" {
		return joinInMemory(ctx, a, o, log)
	}
	if err := o.prepare(); err != nil {
		return nil, err
	}
	store := &stateFolder{dir: o.state}
	kept := &joined{folder: o.state, remove: func() error { return nil }}
	config := enrol.Config{Store: store, Log: log}
	there, err := store.load()
	switch {
	case err != nil:
		return nil, err
	case there != nil:
		if o.token != "" {
			log.Info("--state holds an identity already; the join token is not used", "agent", there.String())
		}
		config.Enrol = store.about.Enrol
		kept.Keeper = enrol.Continue(config, there)
		return kept, nil
	case o.token == "":
		return nil, hint.With(fmt.Errorf("--state %s holds no identity yet", o.state), "give --join, too: `sallyport agent invite` makes a token")
	}
	token, err := o.read(a)
	if err != nil {
		return nil, err
	}
	store.about.Enrol, store.about.Proxy = token.Enrol, token.Proxy
	kept.Keeper, _, err = enrol.Join(ctx, config, token)
	return kept, err
}

// joinInMemory keeps the key in memory, and has what the agent's clients read in a folder that
// goes with this process.
func joinInMemory(ctx context.Context, a *app, o *joinOptions, log *slog.Logger) (*joined, error) {
	token, err := o.read(a)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "sallyport-sidecar-*") // mode 0700
	if err != nil {
		return nil, fmt.Errorf("make folder for certificates: %w", err)
	}
	remove := func() error { return os.RemoveAll(folder) }
	store := &enrol.Memory{Saved: func(i join.Identity) error { return writePublic(folder, i, token) }}
	keeper, _, err := enrol.Join(ctx, enrol.Config{Store: store, Log: log}, token)
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	return &joined{Keeper: keeper, folder: folder, remove: remove}, nil
}

// writePublic writes the identity's files but its key.
func writePublic(folder string, i join.Identity, token join.Token) error {
	if i.Proxy == "" {
		i.Proxy = token.Proxy
	}
	contents, err := identityContents(enrolmentOf(i, nil), folder, token.Enrol)
	if err != nil {
		return err
	}
	for _, c := range contents {
		if c.name == fileKey {
			continue
		}
		if err := replaceFile(filepath.Join(folder, c.name), c.data, c.mode); err != nil {
			return fmt.Errorf("write certificates: %w", err)
		}
	}
	return nil
}

// stateFolder is an [enrol.Store] in a folder of the same form as `agent create` writes.
type stateFolder struct {
	dir   string
	about description // as agent.json has it
}

func (s *stateFolder) file(name string) string { return filepath.Join(s.dir, name) }

// load returns the identity that the folder holds, nil if it holds none.
func (s *stateFolder) load() (*sidecar.Identity, error) {
	data, err := os.ReadFile(s.file(fileDescription))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.isFree()
	}
	if err == nil {
		err = json.Unmarshal(data, &s.about)
	}
	if err != nil {
		return nil, fmt.Errorf("--state: read identity: %w", err)
	}
	if s.about.Enrol == "" {
		return nil, hint.With(fmt.Errorf("--state %s holds an identity that was not joined, and cannot renew itself", s.dir), "give it as --identity, or choose another folder")
	}
	i, err := s.parse(fileKey)
	if err != nil {
		// Ended between the two renames of a renewal, the certificate fits the pending key.
		if next, err2 := s.parse(filePending); err2 == nil {
			return next, os.Rename(s.file(filePending), s.file(fileKey))
		}
		return nil, fmt.Errorf("--state %s: %w", s.dir, err)
	}
	return i, nil
}

// isFree says whether a first identity may be written into the folder. What an earlier try to
// join has left is gone on with.
func (s *stateFolder) isFree() error {
	for _, name := range []string{fileKey, fileDescription} {
		if _, err := os.Lstat(s.file(name)); err == nil {
			return hint.With(fmt.Errorf("--state %s holds a part of an identity: %s", s.dir, name), "choose another folder, or remove what is in it")
		}
	}
	return nil
}

func (s *stateFolder) parse(key string) (*sidecar.Identity, error) {
	var texts [3][]byte
	for n, name := range []string{fileCertificate, key, fileCA} {
		data, err := os.ReadFile(s.file(name))
		if err != nil {
			return nil, err
		}
		texts[n] = data
	}
	return sidecar.ParseIdentity(texts[0], texts[1], texts[2])
}

// Pending implements [enrol.Store].
func (s *stateFolder) Pending() ([]byte, error) {
	data, err := os.ReadFile(s.file(filePending))
	if err == nil {
		if _, err := certs.RequestFor(data); err == nil {
			return data, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--state: %w", err)
	}
	key, _, err := certs.MakeRequest()
	if err != nil {
		return nil, err
	}
	if err := replaceFile(s.file(filePending), key, 0o600); err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	return key, nil
}

// Save implements [enrol.Store]. The certificate comes before the key, and the key before the
// description, by which a folder is known to hold an identity.
func (s *stateFolder) Save(i join.Identity, key []byte) error {
	if i.Proxy == "" {
		i.Proxy = s.about.Proxy
	}
	contents, err := identityContents(enrolmentOf(i, key), s.dir, s.about.Enrol)
	if err != nil {
		return err
	}
	for _, c := range contents {
		if err := replaceFile(s.file(c.name), c.data, c.mode); err != nil {
			return fmt.Errorf("--state: write identity: %w", err)
		}
	}
	if err := os.Remove(s.file(filePending)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--state: %w", err)
	}
	return nil
}

// enrolmentOf is an identity in the form in which administration hands one over.
func enrolmentOf(i join.Identity, key []byte) admin.Enrolment {
	id, _ := uuid.Parse(i.ID) // the zero one, if the server sends nonsense; nothing is decided by it
	return admin.Enrolment{
		Agent: admin.Agent{
			ID: id, Name: i.Name, Policy: i.Policy, Owner: i.Owner, SPIFFEID: i.SPIFFEID, CreatedAt: i.CreatedAt, ExpiresAt: i.ExpiresAt,
		},
		TrustDomain: i.TrustDomain, Proxy: i.Proxy, Region: i.Region, Variables: i.Variables,
		Serial: i.Serial, Certificate: i.Certificate, Key: key, CA: i.CA, Bundle: i.Bundle,
	}
}
