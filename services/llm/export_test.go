package llm

// Told reads an answer with a provider's meter, in pieces of this size, and returns what it
// found.
func Told(provider, contentType string, answer []byte, piece int) (details map[string]any, failure string) {
	m := newMeter(New().lookup(provider).usage, contentType)
	for len(answer) > 0 {
		n := min(piece, len(answer))
		_, _ = m.Write(answer[:n])
		answer = answer[n:]
	}
	f := m.Close(func([]string) {})
	return f.Details, f.Error
}

// Scalars are what a reader of documents finds, by path.
func Scalars(document []byte, piece int) map[string]string {
	all := map[string]string{}
	r := jsonReader{found: func(path, value string) { all[path] = value }}
	for len(document) > 0 {
		n := min(piece, len(document))
		r.write(document[:n])
		document = document[n:]
	}
	return all
}

// Bounds of what Scalars tells.
const (
	MaxLevels = maxLevels
	MaxName   = maxName
	MaxScalar = maxScalar
	MaxDepth  = maxDepth
)
