package api

import (
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:embed operations.table
var tableText string

// table is the generated list of operations. A service's part is parsed when a request
// for it first comes. It is immutable.
type table struct {
	services   []*service
	bySigning  map[string][]*service
	byPrefix   map[string][]*service
	operations int
}

const tableFormat = "sallyport aws operations 1\n"

// operationsTable panics only if the embedded file is damaged, which no input can cause
// and every test of this package would show.
//
//nolint:gochecknoglobals // a constant that takes too long to be computed at start
var operationsTable = sync.OnceValue(func() *table {
	t, err := readTable(tableText)
	if err != nil {
		panic("aws: embedded table: " + err.Error())
	}
	return t
})

func readTable(data string) (*table, error) {
	text, ok := strings.CutPrefix(data, tableFormat)
	if !ok {
		return nil, fmt.Errorf("not of the format %q", tableFormat)
	}
	var err error
	t := &table{bySigning: map[string][]*service{}, byPrefix: map[string][]*service{}}
	for {
		line, rest, _ := strings.Cut(text, "\n")
		kind, value, _ := strings.Cut(line, "\t")
		switch {
		case kind == "source":
			// What the table was made from, for people who read it.
		case kind == "count":
			count := strings.Split(value, "\t")
			if t.operations, err = strconv.Atoi(count[min(1, len(count)-1)]); err != nil {
				return nil, err
			}
		case strings.HasPrefix(text, "s\t"):
			return t, t.addServices(text)
		default:
			return nil, fmt.Errorf("%q: not a line of this format", line)
		}
		text = rest
	}
}

// addServices cuts the rest of the text at the lines of services.
func (t *table) addServices(text string) error {
	for part := range strings.SplitSeq(strings.TrimPrefix(text, "s\t"), "\ns\t") {
		head, body, _ := strings.Cut(part, "\n")
		f := strings.Split(head, "\t")
		if len(f) != 7 {
			return errors.New("a service's line is not of this format")
		}
		s := &service{prefix: f[0], signing: f[1], protocols: f[2], target: f[3], id: f[4], hosts: strings.Fields(f[5]), text: body}
		for alias := range strings.FieldsSeq(f[6]) {
			old, name, _ := strings.Cut(alias, "=")
			s.aliases = append(s.aliases, [2]string{old, name})
		}
		t.services = append(t.services, s)
		t.bySigning[s.signing] = append(t.bySigning[s.signing], s)
		t.byPrefix[s.prefix] = append(t.byPrefix[s.prefix], s)
	}
	return nil
}

// entry is one operation of the table.
type entry struct {
	name, full string // "PutObject", "s3/PutObject"
	event      string
	actions    []string
	secret     bool
	route      *route // for REST
	extract    extractor
}

// load parses a service's operations.
func (s *service) load() *parsed {
	s.once.Do(func() {
		p := &parsed{operations: map[string]*entry{}}
		for line := range strings.SplitSeq(strings.TrimSuffix(s.text, "\n"), "\n") {
			f := strings.Split(line, "\t")
			for len(f) < 8 {
				f = append(f, "")
			}
			e := &entry{name: f[0], full: s.prefix + "/" + f[0], event: f[2], secret: strings.Contains(f[3], "c")}
			switch f[1] {
			case "":
				e.actions = []string{s.signing + ":" + f[0]}
			case "-":
			default:
				e.actions = strings.Split(f[1], ",")
			}
			e.extract = extractors()[e.full]
			p.operations[e.name] = e
			if strings.Contains(s.protocols, rest) {
				e.route = newRoute(f[4], f[5], f[6], f[7])
				p.insert(e, s.signing == "s3")
			}
		}
		s.parsed = p
	})
	return s.parsed
}

// Find returns an operation by its name, without a request and thus without what one
// touches. Its actions are those of the plainest request.
func Find(name string) (Call, bool) {
	prefix, operation, _ := strings.Cut(name, "/")
	for _, s := range operationsTable().byPrefix[prefix] {
		if e := s.load().operations[operation]; e != nil {
			return Call{Operation: e.full, Actions: e.actions, Secret: e.secret}, true
		}
	}
	return Call{}, false
}

// SpeaksQuery reports whether services that sign so name their operations by Action.
func SpeaksQuery(signing string) bool {
	return speak(operationsTable().bySigning[signing], query)
}

// SigningName returns the name that requests for an operation are signed for, empty if
// there is no such operation.
func SigningName(operation string) string {
	prefix, _, _ := strings.Cut(operation, "/")
	for _, s := range operationsTable().byPrefix[prefix] {
		return s.signing
	}
	return ""
}
