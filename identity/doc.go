// Package identity knows which agents exist, who answers for them and which
// certificates they hold, and reads from a client certificate which agent is
// calling.
//
// It promises that
//
//   - an identity is exactly one form, spiffe://<trust-domain>/agent/<uuid>, in
//     a certificate that keeps the X.509-SVID rules; whatever deviates
//     identifies nobody;
//   - a change of an agent is durable before anyone sees it, and a change that
//     could not be written is not seen;
//   - "revoked" is final, in the database and in memory;
//   - a question asked on every request ([Registry.Lookup],
//     [Registry.CertificateRevoked]) is answered from memory, without lock,
//     allocation or I/O.
//
// It never decides what an agent may do: policy and owner are names here, and
// whether they exist is the caller's to check. It never verifies a
// certificate's chain either; TLS did that before [ParsePeer] is asked.
package identity
