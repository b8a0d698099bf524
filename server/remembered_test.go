package server_test

import (
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/server"
	"sallyport/services"
	"sallyport/services/github"
)

// pupil is a service that learns one thing.
type pupil struct {
	*github.Service
	learns   string
	recalled atomic.Pointer[string]
}

func (p *pupil) Remember() ([]byte, error) { return []byte(p.learns), nil }

func (p *pupil) Recall(kept []byte) error {
	text := string(kept)
	p.recalled.Store(&text)
	return nil
}

func TestWhatAServiceHasLearntOutlivesARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	one := &pupil{Service: github.New(), learns: "seven is acme/web"}
	w.env.Services = func() []services.Service { return []services.Service{one} }
	w.serve(t, server.ServeOptions{}).shut(t)
	assert.Nil(t, one.recalled.Load(), "there was nothing before")
	info, err := os.Stat(w.layout.Learnt("github"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	again := &pupil{Service: github.New()}
	w.env.Services = func() []services.Service { return []services.Service{again} }
	w.serve(t, server.ServeOptions{}).shut(t)
	require.NotNil(t, again.recalled.Load())
	assert.Equal(t, "seven is acme/web", *again.recalled.Load())

	// What cannot be read is learnt anew: it keeps no server from starting.
	require.NoError(t, os.WriteFile(w.layout.Learnt("github"), []byte("{"), 0o600))
	w.env.Services = nil
	w.serve(t, server.ServeOptions{}).shut(t)
}
