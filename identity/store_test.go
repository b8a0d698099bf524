package identity_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/identity"
	"sallyport/internal/sqlite"
)

func TestOpenRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil func(t *testing.T, path string)
		want  []string
	}{
		"not a database": {func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("nonsense ", 1000)), 0o600))
		}, []string{"damaged", "backup"}},
		"damaged pages": {func(t *testing.T, path string) {
			fill(t, path, 300)
			overwrite(t, path, 4096+50, 3*4096)
		}, []string{"damaged", "backup"}},
		"a newer schema": {func(t *testing.T, path string) {
			fill(t, path, 1)
			execute(t, path, "PRAGMA user_version = 99")
		}, []string{"schema version 99", "newer"}},
		"another program's tables": {func(t *testing.T, path string) {
			execute(t, path, "CREATE TABLE events (seq INTEGER); PRAGMA user_version = 1")
		}, []string{"no such table"}},
		"an id that is none": {func(t *testing.T, path string) {
			fill(t, path, 1)
			execute(t, path, "UPDATE agents SET id = '"+strings.Repeat("x", 36)+"'")
		}, []string{"damaged"}},
		"a certificate of nobody": {func(t *testing.T, path string) {
			fill(t, path, 1)
			execute(t, path, "PRAGMA foreign_keys = 0; INSERT INTO certificates (agent, generation, serial, not_after, revoked) VALUES ('"+uuid.NewString()+"', 1, 'f00', 9, 0)")
		}, []string{"f00", "missing"}},
		"a folder": {func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := database(t)
			test.spoil(t, path)
			_, err := identity.Open(t.Context(), path, (&clock{}).now)
			require.ErrorContains(t, err, "open agent registry: ")
			require.ErrorContains(t, err, "identity.db")
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

// fill makes a database with some agents and leaves it whole in one file.
func fill(t *testing.T, path string, agents int) {
	t.Helper()
	r := open(t, path, (&clock{}).now)
	for range agents {
		create(t, r, operator())
	}
	require.NoError(t, r.Close())
	execute(t, path, "PRAGMA wal_checkpoint(TRUNCATE)")
}

func execute(t *testing.T, path, script string) {
	t.Helper()
	db, err := sqlite.Open(path, sqlite.Options{Connections: 1})
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), script)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

func overwrite(t *testing.T, path string, from, length int) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Greater(t, len(data), from+length)
	for i := range length {
		data[from+i] ^= 0xa5
	}
	require.NoError(t, os.WriteFile(path, data, 0o600))
}
