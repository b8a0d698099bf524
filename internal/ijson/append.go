package ijson

// Append spells a value that was read anew: without white space, with no more escapes
// than it needs. Numbers stay as they are written.
func Append(to, value []byte) []byte {
	for i := 0; i < len(value); {
		switch c := value[i]; c {
		case ' ', '\t', '\n', '\r':
			i++
		case '"':
			s := scanner{text: value, at: i}
			quoted, err := s.string()
			if err != nil {
				return to // not reached: value was read
			}
			to = AppendString(to, unquote(quoted))
			i = s.at
		default:
			to = append(to, c)
			i++
		}
	}
	return to
}

// AppendString writes text, which must be UTF-8, as a JSON string.
func AppendString(to []byte, text string) []byte {
	const hex = "0123456789abcdef"
	to = append(to, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"', c == '\\':
			to = append(to, '\\', c)
		case c == '\n':
			to = append(to, '\\', 'n')
		case c == '\r':
			to = append(to, '\\', 'r')
		case c == '\t':
			to = append(to, '\\', 't')
		case c < ' ', c == 0x7f:
			to = append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			to = append(to, c)
		}
	}
	return append(to, '"')
}
