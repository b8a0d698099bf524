package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Layout names the files of one HOME. Dir is an absolute path.
type Layout struct{ Dir string }

// The files that people edit.

// Config is sallyport.yaml.
func (l Layout) Config() string { return filepath.Join(l.Dir, "sallyport.yaml") }

// Owners is owners.yaml.
func (l Layout) Owners() string { return filepath.Join(l.Dir, "owners.yaml") }

// Credentials is credentials.yaml.
func (l Layout) Credentials() string { return filepath.Join(l.Dir, "credentials.yaml") }

// Policies is the folder of the policies.
func (l Layout) Policies() string { return filepath.Join(l.Dir, "policies") }

// Policy is the file of one policy.
func (l Layout) Policy(name string) string { return filepath.Join(l.Policies(), name+".yaml") }

// The files that sallyport writes, all in the private state folder.

// State is the folder that only sallyport writes to, mode 0700.
func (l Layout) State() string { return filepath.Join(l.Dir, "state") }

// Trail is the audit trail's database.
func (l Layout) Trail() string { return filepath.Join(l.State(), "audit.db") }

// Registry is the database of agents.
func (l Layout) Registry() string { return filepath.Join(l.State(), "identity.db") }

// Socket is where the running server listens for commands.
func (l Layout) Socket() string { return filepath.Join(l.State(), "admin.sock") }

// TrailKey is the key that signs the trail's checkpoints, apart from the
// authorities' keys.
func (l Layout) TrailKey() string { return filepath.Join(l.State(), "trail.key") }

// TrailPublicKey is what anybody verifies those checkpoints with.
func (l Layout) TrailPublicKey() string { return l.TrailKey() + ".pub" }

// Learnt is what a service has learnt from answers, which it learns again if it is lost.
func (l Layout) Learnt(service string) string {
	return filepath.Join(l.State(), "learnt-"+service+".json")
}

// Lock is the file whose lock the one writer of the state folder holds.
func (l Layout) Lock() string { return filepath.Join(l.State(), "lock") }

// FingerprintKey is the key of the fingerprints of fixed secrets.
func (l Layout) FingerprintKey() string { return filepath.Join(l.State(), "fingerprint.key") }

// CAs is the folder of the two certificate authorities.
func (l Layout) CAs() string { return filepath.Join(l.State(), "ca") }

// AgentCA is the authority that issues agents' and the listener's certificates.
func (l Layout) AgentCA() (cert, key string) {
	return filepath.Join(l.CAs(), "agent-ca.crt"), filepath.Join(l.CAs(), "agent-ca.key")
}

// InterceptionCA is the authority that issues the leaves of intercepted hosts.
func (l Layout) InterceptionCA() (cert, key string) {
	return filepath.Join(l.CAs(), "interception-ca.crt"), filepath.Join(l.CAs(), "interception-ca.key")
}

// Staging is the folder in which a restore makes a home inside of one that is there, so
// that it can be a volume. While it is there, the home is half of one.
func (l Layout) Staging() string { return filepath.Join(l.Dir, ".restoring") }

// StagingBeside is where a restore makes a home that is not there yet.
func (l Layout) StagingBeside() string {
	return filepath.Join(filepath.Dir(l.Dir), "."+filepath.Base(l.Dir)+".restoring")
}

// CheckWhole fails where a restore was broken off: nobody serves from half a home, and no
// command makes a new file in the place of one that was not restored yet.
func (l Layout) CheckWhole() error {
	_, err := os.Lstat(l.Staging())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil && !errors.Is(err, syscall.ENOTDIR) && !errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("look at %s: %w", l.Staging(), err)
	case err != nil:
		return nil //nolint:nilerr // there is no home, or a folder that is not ours: whoever opens it reports that
	}
	return &fileError{
		File: l.Dir, Msg: "is half a home: a restore into it is under way or was broken off (" + filepath.Base(l.Staging()) + " is there)",
		Hint: "if none runs, remove everything in " + l.Dir + ", the hidden folder too, and restore again",
	}
}

// CheckState fails unless the state folder is there and private: whoever can
// write to it can make identities, and whoever can read it holds both CA keys.
func (l Layout) CheckState() error {
	if err := l.CheckWhole(); err != nil {
		return err
	}
	l.tighten()
	for _, dir := range []string{l.State(), l.CAs()} {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return &fileError{File: dir, Msg: "no such folder", Hint: "run `sallyport init`"}
		case err != nil:
			return fmt.Errorf("look at %s: %w", dir, err)
		case !info.IsDir():
			return &fileError{File: dir, Msg: "not a folder", Hint: "move it away and run `sallyport init`"}
		case info.Mode().Perm()&0o077 != 0:
			return &fileError{
				File: dir, Msg: fmt.Sprintf("other users may enter it (mode %04o)", info.Mode().Perm()),
				Hint: "chmod 700 " + dir,
			}
		}
	}
	return nil
}
