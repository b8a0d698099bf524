package audit

import (
	"encoding/binary"
	"math"

	"github.com/google/uuid"
)

// Caps of stored strings in bytes; longer ones are cut and end in the hash of
// the whole (see truncate).
const (
	capPath  = 2048
	capLong  = 1024 // resource, error
	capText  = 256  // every other string
	capShort = 64   // words: decision, scheme, outcome, method
)

// Tags of an intent's payload, encoding version 1. Those below tagPath make
// up what kind of exchange it is (who, by which rule, to where): they come
// first so that the projection can compare them as one run of bytes.
const (
	tagAgent      = 1
	tagAgentName  = 2
	tagOwner      = 3
	tagAcc        = 4
	tagPolicy     = 5
	tagRule       = 6
	tagDecision   = 7
	tagRefusal    = 8
	tagMethod     = 9
	tagScheme     = 10
	tagHost       = 11
	tagPort       = 12
	tagOperation  = 13
	tagCredential = 14

	tagPath         = 32
	tagResource     = 33
	tagPolicyHash   = 34
	tagFingerprint  = 35
	tagCertSerial   = 36
	tagClientAddr   = 37
	tagHTTPVersion  = 38
	tagInstance     = 39
	tagAuthorizeUS  = 40
	tagCredentialUS = 41
	tagDetails      = 42
)

func appendIntent(b []byte, in *Intent, instance string) []byte {
	if in.Agent != uuid.Nil {
		b = appendBytes(b, tagAgent, in.Agent[:])
	}
	b = appendText(b, tagAgentName, in.AgentName, capText)
	b = appendText(b, tagOwner, in.Owner, capText)
	b = appendText(b, tagAcc, in.Accountable, capText)
	b = appendText(b, tagPolicy, in.Policy, capText)
	b = appendText(b, tagRule, in.Rule, capText)
	b = appendText(b, tagDecision, in.Decision, capShort)
	b = appendText(b, tagRefusal, in.Refusal, capShort)
	b = appendText(b, tagMethod, in.Method, capShort)
	b = appendText(b, tagScheme, in.Scheme, capShort)
	b = appendText(b, tagHost, in.Host, capText)
	b = appendUint(b, tagPort, uint64(in.Port))
	b = appendText(b, tagOperation, in.Operation, capText)
	b = appendText(b, tagCredential, in.Credential, capText)

	b = appendText(b, tagPath, in.Path, capPath)
	b = appendText(b, tagResource, in.Resource, capLong)
	b = appendPacked(b, tagPolicyHash, in.PolicyHash, capText)
	b = appendPacked(b, tagFingerprint, in.CredentialFingerprint, capText)
	b = appendPacked(b, tagCertSerial, in.CertSerial, capText)
	b = appendText(b, tagClientAddr, in.ClientAddr, capText)
	b = appendText(b, tagHTTPVersion, in.HTTPVersion, capShort)
	b = appendText(b, tagInstance, instance, capText)
	b = appendUint(b, tagAuthorizeUS, micros(in.AuthorizeMS))
	b = appendUint(b, tagCredentialUS, micros(in.CredentialMS))
	return appendDetails(b, tagDetails, in.Details)
}

func decodeIntent(payload []byte, in *Intent, instance *string) error {
	f := fields{rest: payload}
	for tag, v, ok := f.next(); ok; tag, v, ok = f.next() {
		if tag < tagPath {
			f.kind(tag, v, in)
			continue
		}
		switch tag {
		case tagPath:
			in.Path = f.text(v, capPath)
		case tagResource:
			in.Resource = f.text(v, capLong)
		case tagPolicyHash:
			in.PolicyHash = f.packed(v)
		case tagFingerprint:
			in.CredentialFingerprint = f.packed(v)
		case tagCertSerial:
			in.CertSerial = f.packed(v)
		case tagClientAddr:
			in.ClientAddr = f.text(v, capText)
		case tagHTTPVersion:
			in.HTTPVersion = f.text(v, capShort)
		case tagInstance:
			*instance = f.text(v, capText)
		case tagAuthorizeUS:
			in.AuthorizeMS = f.millis(v)
		case tagCredentialUS:
			in.CredentialMS = f.millis(v)
		case tagDetails:
			in.Details = f.details(v)
		default:
			f.err = errEncoding
		}
	}
	return f.err
}

// kind reads one of the fields that make up an exchange's kind.
func (f *fields) kind(tag byte, v []byte, in *Intent) {
	switch tag {
	case tagAgent:
		in.Agent = f.uuid(v)
	case tagAgentName:
		in.AgentName = f.text(v, capText)
	case tagOwner:
		in.Owner = f.text(v, capText)
	case tagAcc:
		in.Accountable = f.text(v, capText)
	case tagPolicy:
		in.Policy = f.text(v, capText)
	case tagRule:
		in.Rule = f.text(v, capText)
	case tagDecision:
		in.Decision = f.text(v, capShort)
	case tagRefusal:
		in.Refusal = f.text(v, capShort)
	case tagMethod:
		in.Method = f.text(v, capShort)
	case tagScheme:
		in.Scheme = f.text(v, capShort)
	case tagHost:
		in.Host = f.text(v, capText)
	case tagPort:
		in.Port = f.port(v)
	case tagOperation:
		in.Operation = f.text(v, capText)
	case tagCredential:
		in.Credential = f.text(v, capText)
	default:
		f.err = errEncoding
	}
}

// kindBytes returns the run of fields at the start of an intent's payload that
// make up its kind.
func kindBytes(payload []byte) ([]byte, error) {
	f := fields{rest: payload}
	for len(f.rest) > 0 && f.rest[0] < tagPath {
		if _, _, ok := f.next(); !ok {
			return nil, f.err
		}
	}
	return payload[:len(payload)-len(f.rest)], nil
}

// Tags of an outcome's payload, encoding version 1.
const (
	tagOutcome      = 1
	tagOutRefusal   = 2
	tagStatus       = 3
	tagUpstreamAddr = 4
	tagSent         = 5 // count + 1
	tagReceived     = 6 // count + 1
	tagRequestID    = 7
	tagTimings      = 8
	tagOutDetails   = 9
	tagError        = 10
)

func appendOutcome(b []byte, out *Outcome) []byte {
	b = appendText(b, tagOutcome, out.Outcome, capShort)
	b = appendText(b, tagOutRefusal, out.Refusal, capShort)
	b = appendUint(b, tagStatus, uint64(max(out.Status, 0)))
	b = appendText(b, tagUpstreamAddr, out.UpstreamAddr, capText)
	b = appendUint(b, tagSent, count(out.BytesSent))
	b = appendUint(b, tagReceived, count(out.BytesReceived))
	b = appendText(b, tagRequestID, out.UpstreamRequestID, capText)
	b = appendTimings(b, tagTimings, &out.Timings)
	b = appendDetails(b, tagOutDetails, out.Details)
	return appendText(b, tagError, out.Error, capLong)
}

// count is n + 1, or 0 for an unknown number.
func count(n int64) uint64 { return uint64(min(max(n, -1), math.MaxInt64-1) + 1) }

func decodeOutcome(payload []byte, out *Outcome) error {
	out.BytesSent, out.BytesReceived = -1, -1
	f := fields{rest: payload}
	for tag, v, ok := f.next(); ok; tag, v, ok = f.next() {
		switch tag {
		case tagOutcome:
			out.Outcome = f.text(v, capShort)
		case tagOutRefusal:
			out.Refusal = f.text(v, capShort)
		case tagStatus:
			out.Status = int(f.int(v))
		case tagUpstreamAddr:
			out.UpstreamAddr = f.text(v, capText)
		case tagSent:
			out.BytesSent = f.int(v) - 1
		case tagReceived:
			out.BytesReceived = f.int(v) - 1
		case tagRequestID:
			out.UpstreamRequestID = f.text(v, capText)
		case tagTimings:
			out.Timings = f.timings(v)
		case tagOutDetails:
			out.Details = f.details(v)
		case tagError:
			out.Error = f.text(v, capLong)
		default:
			f.err = errEncoding
		}
	}
	return f.err
}

// appendTimings appends six uvarints of microseconds, zero for unknown.
func appendTimings(b []byte, tag byte, t *Timings) []byte {
	if *t == (Timings{}) {
		return b
	}
	var buf [6 * binary.MaxVarintLen64]byte
	v := buf[:0]
	for _, ms := range [...]float64{t.Authorize, t.Credential, t.Audit, t.Connect, t.FirstByte, t.Total} {
		v = binary.AppendUvarint(v, micros(ms))
	}
	if string(v) == "\x00\x00\x00\x00\x00\x00" {
		return b
	}
	return appendBytes(b, tag, v)
}

func (f *fields) timings(v []byte) Timings {
	var us [6]uint64
	var any uint64
	for i := range us {
		var ok bool
		us[i], v, ok = takeUvarint(v)
		if !ok || us[i] > maxMicros {
			f.err = errEncoding
			return Timings{}
		}
		any |= us[i]
	}
	if len(v) != 0 || any == 0 {
		f.err = errEncoding
	}
	return Timings{
		Authorize: millis(us[0]), Credential: millis(us[1]), Audit: millis(us[2]),
		Connect: millis(us[3]), FirstByte: millis(us[4]), Total: millis(us[5]),
	}
}

// maxMicros bounds a stored duration (some 285 years, exact as a float64).
const maxMicros = 1<<53 - 1

// micros turns milliseconds into whole microseconds; what is known but rounds
// to nothing is one, because zero means unknown.
func micros(ms float64) uint64 {
	switch {
	case !(ms > 0): // also NaN
		return 0
	case ms*1000 >= maxMicros:
		return maxMicros
	}
	return max(uint64(math.Round(ms*1000)), 1)
}

func millis(us uint64) float64 { return float64(us) / 1000 }

func (f *fields) millis(v []byte) float64 {
	us := f.uint(v)
	if us > maxMicros {
		f.err = errEncoding
	}
	return millis(us)
}

func (f *fields) details(v []byte) map[string]any {
	m, err := decodeMap(v)
	if err != nil || len(v) > maxDetails {
		f.err = errEncoding
	}
	return m
}

func (f *fields) int(v []byte) int64 {
	n := f.uint(v)
	if n > math.MaxInt64 {
		f.err = errEncoding
		return 0
	}
	return int64(n)
}

func (f *fields) port(v []byte) uint16 {
	n := f.uint(v)
	if n > math.MaxUint16 {
		f.err = errEncoding
	}
	return uint16(n)
}

func (f *fields) uuid(v []byte) uuid.UUID {
	id, err := uuid.FromBytes(v)
	if err != nil || id == uuid.Nil {
		f.err = errEncoding
	}
	return id
}
