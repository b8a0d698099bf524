package credentials

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"sallyport/internal/yamldoc"
)

// Key is one key of an entry to add, with its value as YAML writes it.
type Key struct{ Name, Value string }

// nameForm is the form of a credential's name that needs no quotes.
var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// Add returns the text of credentials.yaml with one entry more, and leaves the rest
// as it is, comments included. What the entry says is not judged: parse the answer.
func Add(file string, data []byte, name string, entry []Key) ([]byte, error) {
	if !nameForm.MatchString(name) {
		return nil, fmt.Errorf("name %q: use lower-case letters, digits and . _ -, beginning with a letter or digit", name)
	}
	doc, root := yamldoc.Read(file, data, fileOptions())
	if err := doc.Err(); err != nil {
		return nil, err
	}
	text := string(data)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	indent := "  "
	switch entries, err := entriesOf(root); {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", file, err)
	case entries == nil:
		text += "credentials:\n"
	case len(entries.Below) == 0:
		text = emptied(text, entries.KeyLine)
	default:
		if entries.Field(name) != nil {
			return nil, fmt.Errorf("%s has a credential %q already; change it there", file, name)
		}
		var err error
		if indent, err = indentOf(text, entries.Below[0]); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	var b strings.Builder
	b.WriteString(text)
	fmt.Fprintf(&b, "%s%s:\n", indent, name)
	for _, key := range entry {
		fmt.Fprintf(&b, "%s  %s: %s\n", indent, key.Name, key.Value)
	}
	return []byte(b.String()), nil
}

// entriesOf finds the value of the file's one key; nil if the key is not there.
func entriesOf(root *yamldoc.Node) (*yamldoc.Node, error) {
	switch {
	case root == nil || root.Kind == yamldoc.Empty:
		return nil, nil //nolint:nilnil // there is no key yet, which is no error
	case root.Kind != yamldoc.Map || len(root.Below) != 1 || root.Below[0].Label != "credentials":
		return nil, errors.New("its one key must be credentials")
	}
	return root.Below[0], nil
}

// emptied turns "credentials: {}" into "credentials:".
func emptied(text string, line int) string {
	lines := strings.SplitAfter(text, "\n")
	lines[line-1] = strings.Replace(lines[line-1], "{}", "", 1)
	lines[line-1] = strings.TrimRight(lines[line-1], " \n") + "\n"
	return strings.Join(lines, "")
}

// indentOf is the white space before the entries that are there.
func indentOf(text string, first *yamldoc.Node) (string, error) {
	line := strings.Split(text, "\n")[first.KeyLine-1]
	key := strings.TrimLeft(line, " ")
	if !strings.HasPrefix(key, first.Label) && !strings.HasPrefix(key, `"`) && !strings.HasPrefix(key, "'") {
		return "", errors.New("its entries are written in one line; put each on lines of its own first")
	}
	return line[:len(line)-len(key)], nil
}
