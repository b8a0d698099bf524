package aws

import (
	"net/url"
	"strings"

	"sallyport/credentials"
)

// Unsign implements [services.Unsigner]: it takes the signature of a presigned URL away that an
// agent's placeholder keys have made. A link that somebody else has signed stays as it is.
func (*Service) Unsign(rawQuery, agent string) string {
	ours := false
	for name, value := range credentials.Parameters(rawQuery) {
		if name != "X-Amz-Credential" {
			continue
		}
		value, _ = url.QueryUnescape(value) // what cannot be read names no placeholder
		id, _, _ := strings.Cut(value, "/")
		ours = ours || credentials.IsPlaceholder(id, agent)
	}
	if !ours {
		return rawQuery
	}
	for _, name := range []string{"Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature", "Security-Token"} {
		rawQuery = credentials.RemoveParameter(rawQuery, "X-Amz-"+name)
	}
	return rawQuery
}
