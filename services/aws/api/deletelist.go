package api

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// deletion is one object of a DeleteObjects.
type deletion struct {
	key     string
	version bool
}

// deleteList is the grammar of a list of keys to delete: below which element another may
// stand, and whether once only. Whatever else is in a list, somebody may read and
// somebody else not.
var deleteList = map[string]map[string]bool{
	"":       {"Delete": true},
	"Delete": {"Object": false, "Quiet": true},
	"Object": {"Key": true, "VersionId": true, "ETag": true, "LastModifiedTime": true, "Size": true},
}

// readDeleteList reads a list in the one form that every reader of XML reads alike: no
// comment, no CDATA, no prefix, no attribute but the namespace, no element that is not
// known or that stands twice, and text in one piece.
func readDeleteList(body []byte) (list []deletion, ok bool) {
	if bytes.Contains(body, []byte("<!")) {
		return nil, false
	}
	r := deleteReader{d: xml.NewDecoder(bytes.NewReader(body)), seen: []map[string]bool{{}}, path: []string{""}}
	for {
		token, err := r.d.RawToken()
		if errors.Is(err, io.EOF) {
			return r.list, len(r.path) == 1 && len(r.list) > 0
		}
		if err != nil || !r.take(token) {
			return nil, false
		}
	}
}

// deleteReader is where in a list its reader stands.
type deleteReader struct {
	d    *xml.Decoder
	path []string          // the open elements, from "" on
	seen []map[string]bool // what stands in each
	text string            // of the open element
	list []deletion
}

func (r *deleteReader) take(token xml.Token) bool {
	switch t := token.(type) {
	case xml.ProcInst:
		return t.Target == "xml" && len(r.path) == 1 && len(r.seen[0]) == 0
	case xml.StartElement:
		return r.open(t)
	case xml.EndElement:
		return t.Name.Space == "" && r.close(t.Name.Local)
	case xml.CharData:
		return r.write(string(t))
	}
	return false
}

func (r *deleteReader) open(t xml.StartElement) bool {
	last := len(r.path) - 1
	once, known := deleteList[r.path[last]][t.Name.Local]
	if t.Name.Space != "" || !known || once && r.seen[last][t.Name.Local] {
		return false
	}
	for _, a := range t.Attr {
		if a.Name.Space != "" || a.Name.Local != "xmlns" || last > 0 {
			return false
		}
	}
	r.seen[last][t.Name.Local] = true
	r.path, r.seen, r.text = append(r.path, t.Name.Local), append(r.seen, map[string]bool{}), ""
	if t.Name.Local == "Object" {
		r.list = append(r.list, deletion{})
	}
	return len(r.list) <= maxListed
}

func (r *deleteReader) write(text string) bool {
	if deleteList[r.path[len(r.path)-1]] != nil { // only elements stand in it
		return strings.Trim(text, " \t\r\n") == ""
	}
	again := r.text != ""
	r.text = text
	return !again
}

func (r *deleteReader) close(name string) bool {
	last := len(r.path) - 1
	if last == 0 || r.path[last] != name {
		return false
	}
	switch name {
	case "Key":
		r.list[len(r.list)-1].key = r.text
	case "VersionId":
		r.list[len(r.list)-1].version = true
	case "Object":
		if r.list[len(r.list)-1].key == "" {
			return false
		}
	}
	r.path, r.seen = r.path[:last], r.seen[:last]
	return true
}
