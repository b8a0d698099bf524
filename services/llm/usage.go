package llm

import (
	"strings"

	"sallyport/services"
)

// figure is what a number in an answer says of its cost.
type figure uint8

const (
	input         figure = iota + 1 // tokens read; with those from a cache, unless the next two say so
	cacheWritten                    // tokens read, beside input
	cacheRead                       // tokens read from a cache, beside input
	cachedOfInput                   // those of input that came from a cache
	output                          // tokens written
	thought                         // tokens written that are not shown, beside output
	figures
)

// meter reads in an answer what it cost, as it passes by. What a stream says later counts: the
// figures of one are sums so far.
type meter struct {
	reader  jsonReader
	usage   map[string]figure
	told    [figures]int64
	said    bool
	failure string
	lines   *eventLines // of a stream of events; nil for one document
}

func newMeter(usage map[string]figure, contentType string) *meter {
	m := &meter{usage: usage}
	m.reader.found = m.take
	media, _, _ := strings.Cut(contentType, ";")
	if strings.EqualFold(strings.TrimSpace(media), "text/event-stream") {
		m.lines = &eventLines{to: &m.reader}
	}
	return m
}

// Write implements [services.Watch].
func (m *meter) Write(b []byte) (int, error) {
	if m.lines != nil {
		m.lines.write(b)
	} else {
		m.reader.write(b)
	}
	return len(b), nil
}

// take is given every scalar whose path is short, with the path.
func (m *meter) take(path, value string) {
	if f, ok := m.usage[path]; ok {
		if n, ok := wholeNumber(value); ok {
			m.told[f], m.said = n, true
		}
		return
	}
	switch path {
	case "error.type", "error.status", "response.error.code":
		m.failure = value
	}
}

func wholeNumber(text string) (n int64, ok bool) {
	if text == "" || len(text) > 15 {
		return 0, false
	}
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// Close implements [services.Watch].
func (m *meter) Close(clean func(texts []string)) services.Findings {
	var f services.Findings
	if m.failure != "" {
		texts := []string{m.failure}
		clean(texts)
		f.Error = "the provider answered " + texts[0]
	}
	if m.said {
		t := &m.told
		f.Cost = map[string]int64{
			"input_tokens":  t[input] + t[cacheWritten] + t[cacheRead],
			"output_tokens": t[output] + t[thought],
		}
		if cached := t[cacheRead] + t[cachedOfInput]; cached > 0 {
			f.Cost["cached_tokens"] = cached
		}
		f.Details = make(map[string]any, len(f.Cost))
		for unit, n := range f.Cost {
			f.Details[unit] = n
		}
	}
	return f
}
