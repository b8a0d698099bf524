package environment

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The formats that Write knows.
const (
	Shell  = "shell"  // for eval in a POSIX shell
	Dotenv = "dotenv" // NAME=value lines, quoted only where they must be
	JSON   = "json"   // one flat object of strings
)

// Write prints the variables. What is cleared is unset in a shell and left out
// elsewhere: some clients take an empty variable for a value.
func Write(w io.Writer, format string, variables []Variable) error {
	var b strings.Builder
	switch format {
	case Shell:
		shell(&b, variables)
	case Dotenv:
		for _, v := range variables {
			if !v.Cleared {
				fmt.Fprintf(&b, "%s=%s\n", v.Name, plainOrQuoted(v.Value))
			}
		}
	case JSON:
		flat := make(map[string]string, len(variables))
		for _, v := range variables {
			if !v.Cleared {
				flat[v.Name] = v.Value
			}
		}
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(flat); err != nil {
			return fmt.Errorf("encode environment: %w", err)
		}
	default:
		return fmt.Errorf("unknown format %q: use shell, dotenv or json", format)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func shell(b *strings.Builder, variables []Variable) {
	cleared := []string{"unset"}
	for _, v := range variables {
		if v.Cleared {
			cleared = append(cleared, v.Name)
			continue
		}
		fmt.Fprintf(b, "export %s=%s\n", v.Name, quoted(v.Value))
	}
	if len(cleared) > 1 {
		b.WriteString(strings.Join(cleared, " ") + "\n")
	}
}

// plain values mean the same to every reader of dotenv files without quotes.
func plainOrQuoted(s string) string {
	if strings.IndexFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_./:,@%+=~", r))
	}) < 0 {
		return s
	}
	return quoted(s)
}

// quoted is a value that a POSIX shell takes as it is.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Apply puts the variables over an environment in the form of os.Environ, in
// which a later entry would not reliably win over an earlier one. How git is
// configured there stays, see [Compose].
func Apply(environ []string, variables []Variable) []string {
	variables = Compose(variables, func(name string) string {
		for _, entry := range environ {
			if value, ok := strings.CutPrefix(entry, name+"="); ok {
				return value
			}
		}
		return ""
	})
	ours := make(map[string]bool, len(variables))
	for _, v := range variables {
		ours[v.Name] = true
	}
	applied := slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return ours[name]
	})
	for _, v := range variables {
		if !v.Cleared {
			applied = append(applied, v.Name+"="+v.Value)
		}
	}
	return applied
}
