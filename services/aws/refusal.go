package aws

import (
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"sallyport/services"
	"sallyport/services/aws/api"
	"sallyport/services/aws/sigv4"
)

// format is how one of AWS's protocols writes an error. The zero format is none
// of them.
type format uint8

const (
	formatS3   format = iota + 1
	formatXML         // query, and REST with XML
	formatEC2         // EC2's own variant
	formatJSON        // JSON and REST with JSON
	formatCBOR        // Smithy's RPC v2
)

// formatOf finds the form in which the client reads an error. The request need not be valid
// for that. At a host of AWS's that is not known, and at one of its customers' programs, it
// is what the request's own fields tell, or JSON.
func (v *visit) formatOf(r *http.Request) format {
	h := v.site
	if v.line.Scheme != "https" && !h.own {
		return 0 // no store is spoken to without TLS
	}
	service := "s3"
	if h.own {
		service = ""
		if len(h.endpoint.Services) > 0 {
			service = h.endpoint.Services[0]
		}
	}
	if in, err := sigv4.Read(r); err == nil {
		service = in.Service
	}
	switch media := r.Header.Get("Content-Type"); {
	case r.Header.Get("Smithy-Protocol") != "":
		return formatCBOR
	case r.Header.Get("X-Amz-Target") != "":
		return formatJSON
	case service == "ec2":
		return formatEC2
	case slices.Contains([]string{"s3", "s3-object-lambda", "s3-outposts", "s3express"}, service) && h.service != "s3-outposts" && !strings.HasSuffix(h.service, "s3-control"):
		return formatS3
	case slices.Contains([]string{"s3", "cloudfront", "route53"}, service), api.SpeaksQuery(service) && r.URL.Path == "/",
		service == "" && strings.HasPrefix(media, "application/x-www-form-urlencoded"):
		return formatXML
	}
	return formatJSON
}

// codesOf are the error codes of services that write XML, and of those that write JSON. Of
// errors with status 4xx, clients retry only those that say "too fast".
func codesOf(f *services.Refusal) (xmlCode, jsonCode string) {
	if refused, ok := errors.AsType[*sigv4.Refusal](f.Cause); ok {
		if code := codeOfBody(refused.Reason); code != "" {
			return code, code
		}
	}
	switch {
	case f.Class == services.Malformed:
		return "InvalidRequest", "ValidationException"
	case f.Class == services.TooFast:
		return "SlowDown", "ThrottlingException"
	case f.Class == services.Unavailable || f.Status >= http.StatusInternalServerError:
		return "ServiceUnavailable", "ServiceUnavailableException"
	}
	return "AccessDenied", "AccessDeniedException"
}

// codeOfBody is S3's own word for what is wrong with a body ("List of error codes", Amazon
// S3 API Reference); "" for anything else.
func codeOfBody(r sigv4.Reason) string {
	return map[sigv4.Reason]string{
		sigv4.BodyMismatch:   "XAmzContentSHA256Mismatch",
		sigv4.BodyIncomplete: "IncompleteBody",
		sigv4.BadTrailer:     "MalformedTrailerError",
		sigv4.BodyTooLarge:   "EntityTooLarge",
	}[r]
}

// The documents of AWS's protocols.
type (
	s3Error struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		RequestID string `xml:"RequestId"`
		HostID    string `xml:"HostId"`
	}
	xmlError struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Type      string   `xml:"Error>Type"`
		Code      string   `xml:"Error>Code"`
		Message   string   `xml:"Error>Message"`
		RequestID string   `xml:"RequestId"`
	}
	ec2Error struct {
		XMLName   xml.Name `xml:"Response"`
		Code      string   `xml:"Errors>Error>Code"`
		Message   string   `xml:"Errors>Error>Message"`
		RequestID string
	}
	jsonError struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
)

// Refuse implements [services.Refuser]. It answers as a service of AWS would, since AWS's
// clients show a person no other text.
func (v *visit) Refuse(w http.ResponseWriter, r *http.Request, f *services.Refusal) bool {
	format := v.formatOf(r)
	if format == 0 {
		return false
	}
	f.Header(w.Header())
	code, jsonCode := codesOf(f)
	message, id := messageOf(f), f.Exchange
	h := w.Header()
	h.Set("X-Amzn-Requestid", id)
	var body []byte
	switch format {
	case formatJSON:
		h.Set("Content-Type", "application/json")
		if media := r.Header.Get("Content-Type"); strings.HasPrefix(media, "application/x-amz-json-1.") {
			h.Set("Content-Type", media)
		}
		h.Set("X-Amzn-Errortype", jsonCode)
		body, _ = json.Marshal(jsonError{jsonCode, message}) // strings always marshal
	case formatCBOR:
		h.Set("Content-Type", "application/cbor")
		h.Set("Smithy-Protocol", "rpc-v2-cbor")
		body = cborError(jsonCode, message)
	case formatS3:
		h.Set("X-Amz-Request-Id", id)
		body = xmlDocument(h, s3Error{Code: code, Message: message, RequestID: id, HostID: "sallyport"})
	case formatEC2:
		body = xmlDocument(h, ec2Error{Code: code, Message: message, RequestID: id})
	default:
		body = xmlDocument(h, xmlError{Type: "Sender", Code: code, Message: message, RequestID: id})
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(f.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the agent may be gone; the row is written either way
	}
	return true
}

// messageOf is the text that AWS's clients show.
func messageOf(f *services.Refusal) string {
	text := f.Title + ": " + strings.TrimSuffix(f.Detail, ".") + ". " + f.Hint
	return "sallyport: " + text + " (exchange " + f.Exchange + ")"
}

func xmlDocument(h http.Header, document any) []byte {
	h.Set("Content-Type", "application/xml")
	body, err := xml.Marshal(document)
	if err != nil { // strings always marshal
		return nil
	}
	return append([]byte(xml.Header), body...)
}

// cborError is a map of two texts (RFC 8949 section 3).
func cborError(code, message string) []byte {
	b := []byte{0xa0 | 2}
	for _, text := range []string{"__type", code, "message", message} {
		text = text[:min(len(text), 1<<16-1)]
		b = append(b, 0x60|25)
		b = binary.BigEndian.AppendUint16(b, uint16(len(text))) //nolint:gosec // bounded above
		b = append(b, text...)
	}
	return b
}
