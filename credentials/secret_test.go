package credentials_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"sallyport/credentials"
)

// canary is the secret of every test that looks for leaks. None of its parts occurs
// by chance, so that each can be searched for in any text.
const canary = "cAnArY-7f3a9Q+x/Zw==0d"

// requireSilent fails if text holds the canary or a piece of it, in any form that a
// printer could have given it.
func requireSilent(t *testing.T, text string) {
	t.Helper()
	numbers := strings.Trim(fmt.Sprint(string([]byte(canary))), "[]")
	for _, form := range []string{
		canary, canary[:6], canary[8:16], fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("% x", canary),
		numbers, numbers[:20], strings.ReplaceAll(numbers, " ", ", "), fmt.Sprintf("%#v", []byte(canary))[8:40], fmt.Sprintf("%o", []byte(canary))[1:20],
		fmt.Sprintf("%b", []byte(canary))[1:30],
	} {
		require.NotContains(t, text, form)
	}
}

type exported struct {
	Secret  credentials.Secret
	Pointer *credentials.Secret
}

type hidden struct {
	secret  credentials.Secret
	pointer *credentials.Secret
	slice   []credentials.Secret
	inner   struct{ m map[string]credentials.Secret }
}

func nested(s credentials.Secret) map[string]any {
	h := hidden{secret: s, pointer: &s, slice: []credentials.Secret{s}}
	h.inner.m = map[string]credentials.Secret{"k": s}
	return map[string]any{
		"value":           s,
		"pointer":         &s,
		"slice":           []credentials.Secret{s},
		"pointers":        []*credentials.Secret{&s},
		"array":           [1]credentials.Secret{s},
		"map":             map[string]credentials.Secret{"k": s},
		"any":             []any{s, &s},
		"struct":          exported{s, &s},
		"struct pointer":  &exported{s, &s},
		"unexported":      h,
		"unexported ptr":  &h,
		"wrapped":         fmt.Errorf("step: %w", fmt.Errorf("%v %s", s, &s)),
		"joined":          errors.Join(errors.New("x"), fmt.Errorf("%+v", h)),
		"nested pointers": func() any { p := &s; return &p }(),
	}
}

func TestSecretPrintsAsRedactedThroughEveryVerb(t *testing.T) {
	t.Parallel()
	secret := credentials.NewSecret([]byte(canary))
	flags := []string{"", "+", "#", "-", " ", "0", "40", "-40.3", ".2", "+#", "# "}
	for name, value := range nested(secret) {
		for verb := 'A'; verb <= 'z'; verb++ {
			for _, flag := range flags {
				requireSilent(t, fmt.Sprintf("%"+flag+string(verb), value))
			}
		}
		requireSilent(t, fmt.Sprint(value))
		requireSilent(t, fmt.Sprintf("%!"+name, value))
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%U", "%e", "%T%[1]v"} {
		assert.Contains(t, fmt.Sprintf(format, secret), "[redacted]", format)
	}
	assert.Equal(t, "[redacted]", secret.String())
	assert.Equal(t, "[redacted]", secret.GoString())
}

func TestSecretIsRedactedInEveryEncoding(t *testing.T) {
	t.Parallel()
	secret := credentials.NewSecret([]byte(canary))
	for name, value := range nested(secret) {
		encoded, err := json.Marshal(value)
		requireSilent(t, string(encoded)+fmt.Sprint(err))
		if !strings.HasPrefix(name, "unexported") {
			encoded, err = yaml.Marshal(value)
			requireSilent(t, string(encoded)+fmt.Sprint(err))
		}
		encoded, err = xml.Marshal(value)
		requireSilent(t, string(encoded)+fmt.Sprint(err))

		var binary bytes.Buffer
		_ = gob.NewEncoder(&binary).Encode(value)
		requireSilent(t, binary.String())

		var logged bytes.Buffer
		slog.New(slog.NewTextHandler(&logged, nil)).Info("m", "k", value, slog.Group("g", "k", value))
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("m", "k", value, slog.Group("g", "k", value))
		requireSilent(t, logged.String())
	}
	encoded, err := json.Marshal(exported{secret, &secret})
	require.NoError(t, err)
	assert.JSONEq(t, `{"Secret":"[redacted]","Pointer":"[redacted]"}`, string(encoded))
	encoded, err = yaml.Marshal(map[string]any{"k": secret})
	require.NoError(t, err)
	assert.Equal(t, "k: '[redacted]'\n", string(encoded))
	require.Error(t, gob.NewEncoder(&bytes.Buffer{}).Encode(secret), "a secret is not encoded")
	_, err = secret.MarshalBinary()
	require.Error(t, err)
}

func TestSecretRevealsACopyOfItsBytesOnly(t *testing.T) {
	t.Parallel()
	source := []byte(canary)
	secret := credentials.NewSecret(source)
	source[0] = 'X'
	secret.Reveal()[1] = 'X'
	assert.Equal(t, canary, string(secret.Reveal()))
	assert.False(t, secret.IsZero())

	var zero credentials.Secret
	assert.True(t, zero.IsZero())
	assert.Empty(t, zero.Reveal())
	assert.Equal(t, "[redacted]", fmt.Sprintf("%v", zero))
}
