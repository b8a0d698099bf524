package trail_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// TestADocumentIsStoredWithItsEvent: where the text is, an event says since when.
func TestADocumentIsStoredWithItsEvent(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	text := []byte("rules: []\n\x00\xff")
	require.NoError(t, writer.StoreDocument(t.Context(), hashOf(text), text))
	r := reader(t, path)
	have, err := r.Document(t.Context(), hashOf(text))
	require.NoError(t, err)
	assert.Equal(t, text, have)
	event, err := r.Last(t.Context(), audit.TypeDocumentStored)
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"sha256": hashOf(text), "bytes": int64(len(text))}, event.Payload)
}

func TestADocumentIsStoredOnce(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	text := []byte("the same text")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { assert.NoError(t, writer.StoreDocument(context.Background(), hashOf(text), text)) })
	}
	wg.Wait()
	require.NoError(t, writer.Close(context.Background()))
	db := database(t, path)
	var n int
	require.NoError(t, scan(db, &n, "SELECT count(*) FROM documents"))
	assert.Equal(t, 1, n)
	verified(t, reader(t, path))
}

func TestADocumentOfAnotherHashIsRefused(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	text := []byte("text")
	for _, hash := range []string{"", "00", hashOf([]byte("other")), strings.ToUpper(hashOf(text))} {
		require.ErrorContains(t, writer.StoreDocument(t.Context(), hash, text), "is not the hash of its text", hash)
	}
	long := make([]byte, 16<<20+1)
	require.ErrorContains(t, writer.StoreDocument(t.Context(), hashOf(long), long), "are more than 16777216")
	assert.Zero(t, verified(t, reader(t, path)).Events)
}

func TestADocumentThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	_, path := open(t)
	r := reader(t, path)
	for _, hash := range []string{"", "no hash", hashOf([]byte("nothing"))} {
		_, err := r.Document(t.Context(), hash)
		require.ErrorIs(t, err, audit.ErrNoDocument)
		require.ErrorContains(t, err, hash)
	}
}
