package hub

import (
	"encoding/json"
	"strings"
)

// lenient rewrites a GraphQL document as the library reads it on which GitHub is said to
// be built: a comment ends at a line feed and nowhere else, a block string at the next
// three quotes, whatever follows them, and a backslash takes the next character along.
func lenient(document string) string {
	var b strings.Builder
	for at := 0; at < len(document); {
		rest := document[at:]
		size := 1
		switch {
		case rest[0] == '#':
			line, _, _ := strings.Cut(rest, "\n")
			size = len(line)
			b.WriteByte('\n')
		case strings.HasPrefix(rest, `"""`):
			size = writeString(&b, rest, `"""`)
		case rest[0] == '"':
			size = writeString(&b, rest, `"`)
		default:
			b.WriteByte(rest[0])
		}
		at += size
	}
	return b.String()
}

// writeString writes the string that text begins with, and returns how long it is there.
func writeString(b *strings.Builder, text, quotes string) int {
	end := len(quotes)
	for end < len(text) && !strings.HasPrefix(text[end:], quotes) {
		if text[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(text))
	inside := text[len(quotes):end]
	if quotes == `"` {
		b.WriteString(`"` + strings.ReplaceAll(inside, "\n", `\n`) + `"`)
	} else {
		quoted, err := json.Marshal(inside)
		if err != nil {
			return len(text) // not reached: every string has a JSON form
		}
		b.Write(quoted)
	}
	b.WriteByte(' ') // or two strings would make a third
	return min(end+len(quotes), len(text))
}
