package api

import (
	"io"
	"net/http"
	"strings"

	"sallyport/policy"
)

// MaxLFSBatch bounds a batch request. The client sends 100 objects of about 100 bytes at
// a time; 10,000 fit.
const MaxLFSBatch = 2 << 20

// ReadLFSBatch reads the body of a request whose operation has an LFSBody, and completes
// that operation: "git/lfs-download" or "git/lfs-upload". The body is returned whole, for
// it has been consumed. The error is always an [*Unresolved].
func ReadLFSBatch(o Operation, header http.Header, body io.Reader) (Operation, []byte, error) {
	if media := contentType(header); !plainEncoding(header) || media != "application/vnd.git-lfs+json" && media != jsonMedia {
		return Operation{}, nil, unresolved(ReasonEncoding, "an LFS batch request is taken as application/vnd.git-lfs+json without Content-Encoding only")
	}
	data, err := readBounded(body, MaxLFSBatch)
	if err != nil {
		return Operation{}, nil, err
	}
	direction := ""
	err = jsonObject(data, func(key string, value []byte) *Unresolved {
		if !strings.EqualFold(key, "operation") {
			return nil
		}
		if key != "operation" { // some readers do not tell the two apart
			return unresolved(ReasonSyntax, "the LFS batch request has a key that is almost operation")
		}
		var ok bool
		if direction, ok = jsonString(value); !ok {
			return unresolved(ReasonSyntax, "the LFS batch request's operation is not a string")
		}
		return nil
	})
	if err != nil {
		return Operation{}, data, err
	}
	switch direction {
	case "download":
		o.Name, o.Access, o.Permissions = lfsDownload, policy.Read, contents(policy.Read)
	case "upload":
		o.Name, o.Access, o.Permissions = lfsUpload, policy.Write, contents(policy.Write)
	default:
		return Operation{}, data, unresolved(ReasonSyntax, "the LFS batch request's operation is neither download nor upload")
	}
	o.Body = NoBody
	return o, data, nil
}
