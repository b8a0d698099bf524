package main

import (
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/certs"
	"sallyport/config"
	"sallyport/identity"
	"sallyport/internal/hint"
	"sallyport/server"
)

// defaultTrustDomain lies below .internal, which is never delegated on the
// Internet (ICANN board resolution 2024.07.29.06).
const defaultTrustDomain = "agents.internal"

// authorityLifetime is long because replacing an authority means a new identity
// for every agent; what it issues is short-lived.
const authorityLifetime = 10 * 365 * 24 * time.Hour

// The files of a new HOME.
var (
	//go:embed template/sallyport.yaml
	templateConfig string
	//go:embed template/owners.yaml
	templateOwners string
	//go:embed template/credentials.yaml
	templateCredentials string
	//go:embed template/example.yaml
	templatePolicy string
)

func newInitCommand(a *app) *cobra.Command {
	var trustDomain string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make HOME: files to edit, and both certificate authorities",
		Long: `Makes HOME with files that work unedited (an example policy, you as an owner) and the
two certificate authorities. Safe to repeat: what is there stays as it is.`,
		Example: "  sallyport init --trust-domain agents.example.com",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := identity.ValidateTrustDomain(trustDomain); err != nil {
				return usagef("--trust-domain: %v", err)
			}
			l, err := a.env().Layout()
			if err != nil {
				return err
			}
			if err := checkClosed(l.Dir); err != nil {
				return err
			}
			i := &initialisation{app: a, layout: l, given: cmd.Flags().Changed("trust-domain"), trustDomain: trustDomain}
			if err := i.run(); err != nil {
				return err
			}
			return i.print()
		},
	}
	cmd.Flags().StringVar(&trustDomain, "trust-domain", defaultTrustDomain, "name under which agents have their identities")
	return cmd
}

// initialisation makes what is missing of a HOME.
type initialisation struct {
	app           *app
	layout        config.Layout
	trustDomain   string
	given         bool // the user named the trust domain
	created, kept []string
}

func (i *initialisation) run() error {
	l := i.layout
	for _, dir := range []string{l.Dir, l.Policies(), l.State(), l.CAs()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	}
	person, full := currentPerson(i.app.getenv)
	replace := strings.NewReplacer("{{trust_domain}}", i.trustDomain, "{{person}}", person, "{{full_name}}", full)
	fresh := !i.exists(l.Config())
	var err error
	for _, f := range []struct{ path, content string }{
		{l.Config(), templateConfig},
		{l.Owners(), templateOwners},
		{l.Credentials(), templateCredentials},
	} {
		err = errors.Join(err, i.create(f.path, []byte(replace.Replace(f.content))))
	}
	if fresh { // someone who removed the example later does not want it back
		err = errors.Join(err, i.create(l.Policy("example"), []byte(templatePolicy)))
	}
	if err != nil {
		return err
	}
	if err := i.checkTrustDomain(); err != nil {
		return err
	}
	return i.makeState()
}

func (i *initialisation) exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// create writes a file that is not there yet.
func (i *initialisation) create(path string, content []byte) error {
	err := writeDurably(path, content, 0o600)
	switch {
	case err == nil:
		i.created = append(i.created, path)
	case errors.Is(err, fs.ErrExist):
		i.kept = append(i.kept, path)
		return nil
	default:
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// checkTrustDomain takes the trust domain from the file that is there. Naming
// another one is a mistake, since nothing is overwritten.
func (i *initialisation) checkTrustDomain() error {
	c, err := config.LoadConfig(i.layout)
	if err != nil {
		return err
	}
	if i.given && c.TrustDomain != i.trustDomain {
		return hint.With(fmt.Errorf("%s: trust_domain: is already %s, not %s", i.layout.Config(), c.TrustDomain, i.trustDomain),
			"init overwrites nothing; choose another --home for another trust domain")
	}
	i.trustDomain = c.TrustDomain
	return nil
}

func (i *initialisation) makeState() error {
	agentCert, agentKey := i.layout.AgentCA()
	err := i.authority(agentCert, agentKey, certs.Template{
		CommonName: "Sallyport agent identity CA", URI: "spiffe://" + i.trustDomain, Lifetime: authorityLifetime,
	})
	if err != nil {
		return err
	}
	interceptionCert, interceptionKey := i.layout.InterceptionCA()
	err = i.authority(interceptionCert, interceptionKey, certs.Template{
		CommonName: "Sallyport interception CA", Lifetime: authorityLifetime,
	})
	if err != nil {
		return err
	}
	key := make([]byte, server.FingerprintKeySize)
	_, _ = rand.Read(key) // never fails (crypto/rand.Read)
	if err := i.create(i.layout.FingerprintKey(), key); err != nil {
		return err
	}
	return i.layout.CheckState()
}

func (i *initialisation) authority(certFile, keyFile string, t certs.Template) error {
	if i.exists(certFile) || i.exists(keyFile) {
		if _, err := certs.LoadAuthority(certFile, keyFile); err != nil {
			return err
		}
		i.kept = append(i.kept, certFile, keyFile)
		return nil
	}
	ca, err := certs.CreateAuthority(t, i.app.now())
	if err != nil {
		return err
	}
	if err := ca.Save(certFile, keyFile); err != nil {
		return err
	}
	i.created = append(i.created, certFile, keyFile)
	return nil
}

// currentPerson is the current user as owners.yaml can name them, and their
// full name in quotes.
func currentPerson(getenv func(string) string) (name, full string) {
	name = getenv("USER")
	if u, err := user.Current(); err == nil {
		full = u.Name
		if name == "" {
			name = u.Username
		}
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '.', r == '_', r == '-':
			return r
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-' // DOMAIN\user, and letters beyond ASCII
	}, name)
	if name = strings.TrimLeft(name, "._-"); name == "" {
		name = "me"
	}
	if full == "" {
		full = name
	}
	quoted, err := json.Marshal(full) // JSON strings are YAML strings
	if err != nil {
		panic("a string always marshals: " + err.Error())
	}
	return name, string(quoted)
}

// initialised is the JSON of `init`.
type initialised struct {
	Home        string   `json:"home"`
	TrustDomain string   `json:"trust_domain"`
	Created     []string `json:"created"` // relative to home
	Kept        []string `json:"kept"`
}

func (i *initialisation) print() error {
	created, kept := i.relative(i.created), i.relative(i.kept)
	if i.app.json() {
		return writeJSON(i.app.stdout, initialised{Home: i.layout.Dir, TrustDomain: i.trustDomain, Created: created, Kept: kept})
	}
	w := i.app.stdout
	fmt.Fprintf(w, "home %s, trust domain %s\n", printable(i.layout.Dir), i.trustDomain)
	for _, path := range created {
		fmt.Fprintf(w, "  created %s\n", path)
	}
	if len(kept) > 0 {
		fmt.Fprintf(w, "  kept %d files that were there\n", len(kept))
	}
	return nil
}

func (i *initialisation) relative(paths []string) []string {
	short := make([]string, 0, len(paths))
	for _, p := range paths {
		if rel, err := filepath.Rel(i.layout.Dir, p); err == nil {
			p = rel
		}
		short = append(short, p)
	}
	return short
}
