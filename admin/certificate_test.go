package admin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/admin"
	"sallyport/audit"
)

// colons is a serial as openssl prints it.
func colons(serial string) string {
	var pairs []string
	for s := serial; s != ""; s = s[min(2, len(s)):] {
		pairs = append(pairs, s[:min(2, len(s))])
	}
	return strings.ToUpper(strings.Join(pairs, ":"))
}

// A certificate is named as other programs print its serial, and nothing but it is revoked.
func TestACertificateIsRevokedByItsSerial(t *testing.T) {
	t.Parallel()
	for name, written := range map[string]func(string) string{
		"as shown":     func(s string) string { return s },
		"capitals":     strings.ToUpper,
		"colons":       colons,
		"0x":           func(s string) string { return "0x" + s },
		"0X":           func(s string) string { return "0X" + strings.ToUpper(s) },
		"zeros before": func(s string) string { return "0000" + s },
		"blanks":       func(s string) string { return "  " + s + "\n" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			first := create(t, f.session())
			second, err := f.session().RenewAgent(t.Context(), admin.RenewRequest{ID: "a", TTL: admin.Duration(time.Hour)})
			require.NoError(t, err)
			got, err := f.session().RevokeCertificate(t.Context(), admin.CertificateRequest{Serial: written(first.Serial), Reason: "lost"})
			require.NoError(t, err)
			require.Len(t, got.Revoked, 1)
			assert.Equal(t, first.Serial, got.Revoked[0].Serial)
			assert.True(t, got.Revoked[0].Revoked)
			assert.Equal(t, 1, got.Valid)
			assert.Equal(t, "active", got.Agent.Status, "the agent stays what it is")
			assert.True(t, f.Registry.CertificateRevoked(first.Serial))
			assert.False(t, f.Registry.CertificateRevoked(second.Serial))
			assert.Equal(t, []uuid.UUID{first.Agent.ID}, f.cut)

			event := f.trail.events[len(f.trail.events)-1]
			assert.Equal(t, audit.TypeCertificateRevoked, event.Type)
			assert.Equal(t, first.Serial, event.Payload["serial"])
			assert.Equal(t, 1, event.Payload["generation"])
			assert.Equal(t, "lost", event.Payload["reason"])
			assert.Equal(t, "dana", event.Payload["user"])
			assert.NotContains(t, event.Payload, "replaced_by")
		})
	}
}

// What a renewal replaces is revoked in one call, and each certificate is an event of its own.
func TestOlderCertificatesAreRevokedTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	serials := []string{create(t, f.session()).Serial}
	for range 3 {
		e, err := f.session().RenewAgent(t.Context(), admin.RenewRequest{ID: "a", TTL: admin.Duration(time.Hour)})
		require.NoError(t, err)
		serials = append(serials, e.Serial)
	}
	got, err := f.session().RevokeCertificate(t.Context(), admin.CertificateRequest{Serial: serials[2], Older: true})
	require.NoError(t, err)
	assert.Equal(t, 2, got.Valid, "the one that was named, and the one after it")
	var revoked, recorded []string
	for _, c := range got.Revoked {
		revoked = append(revoked, c.Serial)
	}
	assert.ElementsMatch(t, serials[:2], revoked)
	for _, e := range f.trail.events {
		if e.Type == audit.TypeCertificateRevoked {
			recorded = append(recorded, e.Payload["serial"].(string))
			assert.Equal(t, serials[2], e.Payload["replaced_by"])
		}
	}
	assert.ElementsMatch(t, serials[:2], recorded)

	again, err := f.session().RevokeCertificate(t.Context(), admin.CertificateRequest{Serial: serials[2], Older: true})
	require.NoError(t, err, "a renewal that is repeated has nothing left to replace")
	assert.Empty(t, again.Revoked)

	f.now = f.now.Add(2 * time.Hour)
	last, err := f.session().RevokeCertificate(t.Context(), admin.CertificateRequest{Serial: serials[2]})
	require.NoError(t, err)
	assert.Zero(t, last.Valid, "what has ended is not counted")
}

func TestACertificateThatCannotBeRevoked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	serial := create(t, f.session()).Serial
	for _, unknown := range []string{"", "0", "1", "nobody", serial + "0", serial[1:], strings.Repeat("f", 10_000)} {
		_, err := f.session().RevokeCertificate(t.Context(), admin.CertificateRequest{Serial: unknown})
		var failure *admin.Error
		require.ErrorAs(t, err, &failure, unknown)
		assert.Equal(t, admin.Unknown, failure.Kind)
		assert.Contains(t, failure.Try, "agent show")
		assert.Less(t, len(failure.Msg), 200)
	}
	_, err := f.session().RevokeCertificate(t.Context(), admin.CertificateRequest{Serial: serial})
	require.NoError(t, err)
	_, err = f.session().RevokeCertificate(t.Context(), admin.CertificateRequest{Serial: serial})
	var failure *admin.Error
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, admin.Error{Kind: admin.Conflict, Msg: "certificate " + serial + " is revoked already"}, *failure)
	assert.Len(t, f.cut, 1, "what was refused cut nothing")
}

// It is revoked whatever happens to the trail, and who asked is told that it is not on record.
func TestACertificateIsRevokedWithoutTheTrail(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	e := create(t, f.session())
	f.trail.fail = audit.TypeCertificateRevoked
	_, err := f.session().RevokeCertificate(t.Context(), admin.CertificateRequest{Serial: e.Serial})
	require.ErrorContains(t, err, "certificate "+e.Serial+" is revoked, but: record certificate.revoked in the audit trail: disk full")
	assert.True(t, f.Registry.CertificateRevoked(e.Serial))
	assert.Equal(t, []uuid.UUID{e.Agent.ID}, f.cut)
}
