package config

import (
	"io/fs"
	"os/user"
	"path/filepath"
	"strconv"

	"sallyport/credentials"
)

// group reads a group of users, by number or by name.
func (v value) group() credentials.Group {
	text, ok := v.plain()
	if !ok {
		v.Fail("must be the number or the name of a group; write for example trust_group: 2000")
		return credentials.Group{}
	}
	number, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		found, unknown := user.LookupGroup(text)
		if unknown != nil {
			v.Fail("%q is no group of this machine; write its number, as in trust_group: 2000", text)
			return credentials.Group{}
		}
		number, err = strconv.ParseUint(found.Gid, 10, 32)
	}
	if err != nil {
		v.Fail("%q has no number", text)
		return credentials.Group{}
	}
	return credentials.TrustedGroup(uint32(number))
}

// tighten removes the trusted group's permissions from the state folder: a volume sets them
// anew each time that it is mounted, and the keys in there are for no group. Where they cannot
// be removed, the check of the folder that comes next refuses it.
func (l Layout) tighten() {
	c, err := LoadConfig(l)
	if err != nil {
		return // whoever loads the files reports it
	}
	_ = filepath.WalkDir(l.State(), func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = c.TrustGroup.Exclude(path)
		}
		return err
	})
}
