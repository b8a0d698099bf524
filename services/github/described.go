package github

import (
	"net/http"
	"strings"
	"time"

	"sallyport/services"
	"sallyport/services/github/api"
)

// maxDescribed is how much of an answer is read that describes repositories. A page of a list
// is longer only if it has more than 30 of them, and says no more about the rest than their
// own answers.
const maxDescribed = 256 << 10

// describedWatch keeps the beginning of an answer that describes repositories by number and name.
type describedWatch struct {
	v    *visit
	kept []byte
}

// describes reports whether the answer is one.
func (v *visit) describes(response *http.Response) bool {
	return v.surface == api.API && len(v.operations) == 1 && api.Describes(v.operations[0].Name) && isPlainJSON(response)
}

// isPlainJSON reports whether an answer is a success in JSON that can be read as it passes.
func isPlainJSON(response *http.Response) bool {
	return response.StatusCode >= 200 && response.StatusCode < 300 && strings.HasSuffix(mediaOf(response), "json") && plainlyEncoded(response) == nil
}

func (d *describedWatch) Write(p []byte) (int, error) {
	d.kept = append(d.kept, p[:min(len(p), maxDescribed-len(d.kept))]...)
	return len(p), nil
}

// Close implements [services.Watch].
func (d *describedWatch) Close(func([]string)) services.Findings {
	for _, one := range api.Repositories(d.kept) {
		d.v.tellRepository(d.v.server.Host(), one.Full, one.ID, time.Time{})
	}
	return services.Findings{}
}
