package config

import (
	"fmt"
	"io/fs"
	"os"

	"sallyport/credentials"
)

// open refuses files with which anybody on the machine could change what agents may
// do, where secrets go, who answers, or what the server runs. That a group may is left
// alone: it is how teams share a checkout.
func (s *snapshot) open(l Layout) error {
	for _, one := range append([]source{s.config, s.owners}, s.policies...) {
		if one.mode&anyoneWrites != 0 {
			return openTo(one.path, one.mode)
		}
	}
	info, err := os.Stat(l.Policies())
	if err != nil || info.Mode()&anyoneWrites == 0 || info.Mode()&fs.ModeSticky != 0 || readOnly(l.Policies()) {
		return nil //nolint:nilerr // what cannot be read is an error of its own
	}
	return openTo(l.Policies(), info.Mode().Perm())
}

func openTo(path string, mode fs.FileMode) error {
	return &fileError{File: path, Msg: fmt.Sprintf("anyone may write it (mode %04o)", mode), Hint: "chmod o-w " + path}
}

// shared warns of a group that may say where secrets go and what the server runs,
// unless it was named as one that may.
func (s *snapshot) shared(trusted credentials.Group) []string {
	if s.config.mode&othersWrite == 0 || trusted != (credentials.Group{}) {
		return nil
	}
	return []string{fmt.Sprintf("%s: its group may write it (mode %04o), and so choose what the server trusts and runs; chmod g-w", s.config.path, s.config.mode)}
}
