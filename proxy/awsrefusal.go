package proxy

import (
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"sallyport/credentials/sigv4"
	aws "sallyport/services/aws/api"
)

// awsFormat is how one of AWS's protocols writes an error. The zero awsFormat is none
// of them.
type awsFormat uint8

const (
	awsS3   awsFormat = iota + 1
	awsXML            // query, and REST with XML
	awsEC2            // EC2's own variant
	awsJSON           // JSON and REST with JSON
	awsCBOR           // Smithy's RPC v2
)

// awsFormat finds the form in which the client reads an error: nothing of the request
// needs to be right for that.
func (x *exchange) awsFormat() awsFormat {
	if x.target.scheme != "https" || x.target.authority.Port == 0 {
		return 0
	}
	h := findAWS(x.target.authority, x.generation.stores())
	if h == nil || h.own && len(h.endpoint.Services) == 0 {
		return 0 // not AWS's, or a host that anybody can have
	}
	service := "s3"
	if h.own {
		service = h.endpoint.Services[0]
	}
	if in, err := sigv4.Read(x.r); err == nil {
		service = in.Service
	}
	switch {
	case x.r.Header.Get("Smithy-Protocol") != "":
		return awsCBOR
	case x.r.Header.Get("X-Amz-Target") != "":
		return awsJSON
	case service == "ec2":
		return awsEC2
	case strings.HasPrefix(service, "s3") && !strings.HasSuffix(h.service, "s3-control"):
		return awsS3
	case slices.Contains([]string{"s3", "cloudfront", "route53"}, service), aws.SpeaksQuery(service) && x.r.URL.Path == "/":
		return awsXML
	}
	return awsJSON
}

// Error codes, of the services with XML and of those with JSON. No client retries one of
// 4xx but for being too fast.
func (f *refusal) awsCodes() (xmlCode, jsonCode string) {
	switch f.word {
	case malformedRequest.word, unsignable.word:
		return "InvalidRequest", "ValidationException"
	case overLimit.word:
		return "SlowDown", "ThrottlingException"
	case trailUnavailable.word, upstreamUnreachable.word:
		return "ServiceUnavailable", "ServiceUnavailableException"
	}
	if f.status >= http.StatusInternalServerError {
		return "ServiceUnavailable", "ServiceUnavailableException"
	}
	return "AccessDenied", "AccessDeniedException"
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

// writeAWS answers with the refusal as a service of AWS would, since its clients show
// nothing else.
func (f *refusal) writeAWS(w http.ResponseWriter, r *http.Request, format awsFormat, exchange uuid.UUID) {
	f.header(w.Header())
	code, jsonCode := f.awsCodes()
	message, id := f.awsMessage(exchange), exchange.String()
	h := w.Header()
	h.Set("X-Amzn-Requestid", id)
	var body []byte
	switch format {
	case awsJSON:
		h.Set("Content-Type", "application/json")
		if media := r.Header.Get("Content-Type"); strings.HasPrefix(media, "application/x-amz-json-1.") {
			h.Set("Content-Type", media)
		}
		h.Set("X-Amzn-Errortype", jsonCode)
		body, _ = json.Marshal(jsonError{jsonCode, message}) // strings always marshal
	case awsCBOR:
		h.Set("Content-Type", "application/cbor")
		h.Set("Smithy-Protocol", "rpc-v2-cbor")
		body = cborError(jsonCode, message)
	case awsS3:
		h.Set("X-Amz-Request-Id", id)
		body = xmlDocument(h, s3Error{Code: code, Message: message, RequestID: id, HostID: "sallyport"})
	case awsEC2:
		body = xmlDocument(h, ec2Error{Code: code, Message: message, RequestID: id})
	default:
		body = xmlDocument(h, xmlError{Type: "Sender", Code: code, Message: message, RequestID: id})
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(f.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the agent may be gone; the row is written either way
	}
}

// awsMessage is all that a person gets to see.
func (f *refusal) awsMessage(exchange uuid.UUID) string {
	text := f.title + ": " + strings.TrimSuffix(f.detail, ".") + ". " + f.hintText()
	return "sallyport: " + text + " (exchange " + exchange.String() + ")"
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
