package audit_test

import (
	"crypto/sha256"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"sallyport/audit"
)

// proven is a proof of event 5 of 9, under a checkpoint that key signs.
func proven(t *testing.T, key note.Signer) audit.Proof {
	t.Helper()
	payload, err := audit.EncodeMap(map[string]any{"why": "disk full"})
	require.NoError(t, err)
	e := stored(audit.TypeTrailHeld, payload)
	e.Seq = 5
	tree, hashes := audit.Tree{}, rows{}
	for i := range int64(9) {
		leaf := tlog.RecordHash([]byte{byte(i)})
		if i == 4 {
			leaf = e.Leaf(sha256.Sum256(e.Payload))
		}
		hashes[i+1] = tree.Append(nil, leaf)
	}
	record, err := tlog.ProveRecord(9, 4, audit.RowHashes(hashes.read))
	require.NoError(t, err)
	head := audit.Checkpoint{Origin: key.Name(), Size: 9, Root: tree.Root()}
	return audit.Proof{
		Format: audit.ProofFormat, Seq: e.Seq, ID: e.ID, Exchange: e.Exchange, Type: e.Type, At: e.At, Encoding: e.Version,
		Payload: e.Payload, Hashes: record, Checkpoint: string(sign(t, key, head.Text())),
	}
}

func check(t *testing.T, p any, public string) (audit.EventRow, audit.Checkpoint, error) {
	t.Helper()
	data, err := json.Marshal(p)
	require.NoError(t, err)
	return audit.CheckProof(data, public)
}

// TestAProofNeedsNothingButTheKey: neither the trail nor its server.
func TestAProofNeedsNothingButTheKey(t *testing.T) {
	t.Parallel()
	key, public := signerOf(t, "prod.example")
	row, c, err := check(t, proven(t, key), public)
	require.NoError(t, err)
	assert.EqualValues(t, 9, c.Size)
	assert.Equal(t, "prod.example", c.Origin)
	assert.EqualValues(t, 5, row.Seq)
	assert.Equal(t, audit.TypeTrailHeld, row.Type)
	assert.Equal(t, minute(3), row.At)
	assert.Equal(t, map[string]any{"why": "disk full"}, row.Payload)
}

// TestAProofOfAnythingElseFails: no column can be another than the one that was signed for.
func TestAProofOfAnythingElseFails(t *testing.T) {
	t.Parallel()
	key, public := signerOf(t, "prod.example")
	other, _ := signerOf(t, "prod.example")
	for name, c := range map[string]struct {
		alter func(*audit.Proof)
		want  string
	}{
		"format":     {func(p *audit.Proof) { p.Format = "sallyport-proof-v2" }, `format "sallyport-proof-v2" is not sallyport-proof-v1`},
		"seq":        {func(p *audit.Proof) { p.Seq = 6 }, "check proof: "},
		"no seq":     {func(p *audit.Proof) { p.Seq = 0 }, "not an event of this version"},
		"beyond":     {func(p *audit.Proof) { p.Seq = 10 }, "check proof: "},
		"id":         {func(p *audit.Proof) { p.ID[0]++ }, "check proof: "},
		"exchange":   {func(p *audit.Proof) { p.Exchange[0]++ }, "check proof: "},
		"type":       {func(p *audit.Proof) { p.Type = audit.TypeTrailReleased }, "check proof: "},
		"no type":    {func(p *audit.Proof) { p.Type = "" }, "not an event of this version"},
		"long type":  {func(p *audit.Proof) { p.Type = string(make([]byte, 65)) }, "not an event of this version"},
		"time":       {func(p *audit.Proof) { p.At++ }, "check proof: "},
		"encoding":   {func(p *audit.Proof) { p.Encoding = 2 }, "not an event of this version"},
		"payload":    {func(p *audit.Proof) { p.Payload[3]++ }, "check proof: "},
		"no payload": {func(p *audit.Proof) { p.Payload = nil }, "check proof: "},
		"hashes":     {func(p *audit.Proof) { p.Hashes[0][0]++ }, "check proof: "},
		"no hashes":  {func(p *audit.Proof) { p.Hashes = nil }, "check proof: "},
		"checkpoint": {func(p *audit.Proof) { p.Checkpoint = proven(t, other).Checkpoint }, "checkpoint: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := proven(t, key)
			c.alter(&p)
			_, _, err := check(t, p, public)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAProofIsReadStrictly(t *testing.T) {
	t.Parallel()
	key, public := signerOf(t, "prod.example")
	for _, text := range []string{"", "{", "[]", `{"format": 3}`} {
		_, _, err := audit.CheckProof([]byte(text), public)
		require.ErrorContains(t, err, "read proof: ", text)
	}
	data, err := json.Marshal(proven(t, key))
	require.NoError(t, err)
	p := unmarshal(t, data)
	p["note"] = "trust me"
	_, _, err = check(t, p, public)
	require.ErrorContains(t, err, `unknown field "note"`)
	_, _, err = audit.CheckProof(data, "no key")
	require.ErrorContains(t, err, "public key")
}
