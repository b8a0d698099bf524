package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport/audit"
	"sallyport/identity"
)

// CertificateRequest asks for the revocation of one certificate or, with Older, of all
// that its agent had before it.
type CertificateRequest struct {
	Serial string `json:"serial"` // hexadecimal, as people write it
	Older  bool   `json:"older,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// RevokedCertificates says which were revoked, and of whom.
type RevokedCertificates struct {
	Agent   Agent         `json:"agent"`
	Revoked []Certificate `json:"revoked"`
	Valid   int           `json:"valid"` // certificates with which the agent can still connect
}

// parseSerial takes a serial as other programs print it: in capitals, with colons, with
// zeros in front.
func parseSerial(s string) string {
	s = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), ":", "")
	return strings.TrimLeft(strings.TrimPrefix(s, "0x"), "0")
}

// RevokeCertificate revokes certificates, and cuts what was opened with them. They are
// revoked even if the trail cannot record it, which is then the error.
func (s *Session) RevokeCertificate(ctx context.Context, r CertificateRequest) (RevokedCertificates, error) {
	if err := s.may(ctx, ActRevokeCertificate); err != nil {
		return RevokedCertificates{}, err
	}
	named, ok := s.service.Registry.Certificate(parseSerial(r.Serial))
	if !ok {
		return RevokedCertificates{}, &Error{
			Kind: Unknown, Msg: fmt.Sprintf("no certificate has the serial %.80q", r.Serial),
			Try: "`sallyport agent show ID` lists an agent's certificates, and `audit list -o json` says in cert_serial which was used",
		}
	}
	if named.Revoked && !r.Older && !s.service.Registry.IsUnwritten(named.Agent) {
		return RevokedCertificates{}, &Error{Kind: Conflict, Msg: "certificate " + named.Serial + " is revoked already"}
	}
	revoked, err := s.service.Registry.RevokeCertificates(ctx, named.Agent, r.Reason, func(c identity.Certificate) bool {
		if r.Older {
			return c.Generation < named.Generation
		}
		return c.Serial == named.Serial
	})
	unwritten, stopped := errors.AsType[*identity.UnwrittenError](err)
	if err != nil && !stopped {
		return RevokedCertificates{}, err
	}
	s.service.Cut(named.Agent)
	agent, _ := s.service.Registry.Lookup(named.Agent)
	view := s.service.View()
	answer := RevokedCertificates{Agent: s.service.shown(view, agent), Revoked: []Certificate{}, Valid: s.service.validCertificates(agent)}
	var unrecorded error
	for _, c := range revoked {
		answer.Revoked = append(answer.Revoked, shownCertificate(c))
		if err := s.recordCertificate(ctx, view, agent, c, r, named); err != nil && unrecorded == nil {
			unrecorded = fmt.Errorf("certificate %s is revoked, but: %w", c.Serial, err)
		}
	}
	if !stopped {
		return answer, unrecorded
	}
	what := "certificate " + named.Serial + " is revoked"
	if r.Older {
		what = "what agent " + agent.ID.String() + " had before certificate " + named.Serial + " is revoked"
	}
	// Even a call that revokes nothing new fails until what was revoked before is on disk.
	return answer, s.service.notOnDisk(what, errors.Join(unwritten, unrecorded))
}

func (s *Session) recordCertificate(ctx context.Context, view View, agent identity.Agent, c identity.Certificate, r CertificateRequest, named identity.Certificate) error {
	payload := view.who(agent, s.service.Now()).Payload()
	payload["serial"], payload["generation"], payload["not_after"] = c.Serial, c.Generation, stamp(c.NotAfter)
	if r.Reason != "" {
		payload["reason"] = r.Reason
	}
	if r.Older {
		payload["replaced_by"] = named.Serial
	}
	return s.record(ctx, audit.TypeCertificateRevoked, payload)
}

// validCertificates counts those with which the agent can connect.
func (s *Service) validCertificates(agent identity.Agent) int {
	now := s.Now()
	list := s.Registry.Certificates(agent.ID)
	return len(slices.DeleteFunc(list, func(c identity.Certificate) bool { return c.Revoked || !now.Before(c.NotAfter) }))
}

func shownCertificate(c identity.Certificate) Certificate {
	return Certificate{Serial: c.Serial, NotAfter: c.NotAfter.UTC(), Generation: c.Generation, Revoked: c.Revoked}
}
