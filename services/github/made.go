package github

import (
	"net/http"

	"sallyport/audit"
	"sallyport/policy"
	"sallyport/services"
	"sallyport/services/github/api"
)

// maxCreated is how much of an answer is read that tells what was made. Its address comes
// near the beginning.
const maxCreated = 64 << 10

// madeWatch keeps the beginning of an answer that tells what a call has made.
type madeWatch struct {
	read func(answer []byte) []api.Made
	kept []byte
}

// creates reports whether the request may make something that has an address.
func (a *answered) creates() bool {
	return a.surface == api.API && len(a.operations) == 1 && a.line.Request.Method == http.MethodPost &&
		a.operations[0].Access > policy.Read && !a.operations[0].CredentialAnswer && !a.isDocument()
}

// tellsMade reports whether the answer tells what was made.
func (v *visit) tellsMade(response *http.Response) bool {
	return response.StatusCode == http.StatusCreated && v.creates() && isPlainJSON(response)
}

func (m *madeWatch) Write(p []byte) (int, error) {
	m.kept = append(m.kept, p[:min(len(p), maxCreated-len(m.kept))]...)
	return len(p), nil
}

// Close implements [services.Watch].
func (m *madeWatch) Close(clean func([]string)) (f services.Findings) {
	f.Details = m.details(clean)
	return f
}

func (m *madeWatch) details(clean func([]string)) map[string]any {
	made := m.read(m.kept)
	if len(made) == 0 {
		return nil
	}
	list := make([]any, 0, len(made))
	for _, one := range made {
		texts := []string{one.URL, one.Mark}
		clean(texts)
		list = append(list, map[string]any{"url": texts[0], audit.DetailMark: texts[1]})
	}
	return map[string]any{audit.DetailMade: list}
}
