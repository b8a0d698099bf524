package owners

import (
	"errors"
	"fmt"
	"strings"
)

// maxName is how long a name may be, in bytes.
const maxName = 128

// CheckName accepts [a-z0-9][a-z0-9._-]*, the form of the names of people and teams, and of
// agents and policies too.
func CheckName(s string) error {
	if s == "" {
		return errors.New("is empty")
	}
	if len(s) > maxName {
		return fmt.Errorf("%.20q... is longer than %d characters", s, maxName)
	}
	for i := range len(s) {
		c := s[i]
		alphanumeric := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !alphanumeric && (i == 0 || c != '.' && c != '_' && c != '-') {
			return fmt.Errorf("%q: use lower-case letters, digits and . _ -, beginning with a letter or digit", s)
		}
	}
	return nil
}

// Prefixes of a reference to an owner.
const (
	personPrefix = "person:"
	teamPrefix   = "team:"
)

// CheckRef accepts person:NAME and team:NAME, whoever there is.
func CheckRef(ref string) error {
	name, isPerson := strings.CutPrefix(ref, personPrefix)
	if !isPerson {
		var isTeam bool
		if name, isTeam = strings.CutPrefix(ref, teamPrefix); !isTeam {
			return fmt.Errorf("owner %q: write person:NAME or team:NAME", ref)
		}
	}
	if err := CheckName(name); err != nil {
		return fmt.Errorf("owner %w", err)
	}
	return nil
}
