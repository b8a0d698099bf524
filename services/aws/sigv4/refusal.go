package sigv4

import "fmt"

// Reason is why a request cannot be signed: a word for tables and tests.
type Reason string

// The reasons.
const (
	Unsigned        Reason = "unsigned"         // no signature at all
	Malformed       Reason = "malformed"        // a signature, a path, a query or a body that cannot be read
	Ambiguous       Reason = "ambiguous"        // more than one signature
	Expired         Reason = "expired"          // a presigned URL past its time
	SigV2           Reason = "sigv2"            // the old signature
	SigV4A          Reason = "sigv4a"           // the signature for several regions
	PostPolicy      Reason = "post_policy"      // a browser's form upload
	S3Express       Reason = "s3_express"       // a directory bucket's own sessions
	EventStream     Reason = "event_stream"     // frames that are signed one by one
	PayloadMode     Reason = "payload_mode"     // an X-Amz-Content-Sha256 that is not known here
	HostMismatch    Reason = "host_mismatch"    // the host is not the service or region that was signed for
	AccountMismatch Reason = "account_mismatch" // another account's bucket than the credential is for
	BodyMismatch    Reason = "body_mismatch"    // the body is not what its hash says
	BodyIncomplete  Reason = "body_incomplete"  // the body is not as long as it says
	BodyTooLarge    Reason = "body_too_large"   // too large to read ahead
	Busy            Reason = "busy"             // no room for what has to be held of a body
	BodyMalformed   Reason = "body_malformed"   // framing that is not aws-chunked
	BadTrailer      Reason = "bad_trailer"      // what follows the body is not what X-Amz-Trailer says
)

// Refusal is a request that is not signed and must not be sent. Detail is a sentence
// for the client and says what to try; it holds no part of a signature.
type Refusal struct {
	Reason Reason
	Detail string
}

func (r *Refusal) Error() string { return "sign request: " + r.Detail }

// Unsignable says what whoever sends the request on tells apart (credentials.AsUnsignable):
// whether there is no room for the body now, and whether the request is about what the keys
// are not for.
func (r *Refusal) Unsignable() (detail string, busy, foreign bool) {
	return r.Detail, r.Reason == Busy, r.Reason == AccountMismatch
}

func refuse(reason Reason, format string, args ...any) error {
	return &Refusal{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// busy is a refusal for want of room, of which there may be more later.
func busy(detail string) error { return refuse(Busy, "%s", detail) }
