package github_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

const (
	artifact = web + "/actions/artifacts/5/zip"
	blob     = "https://productionresultssa7.blob.core.windows.net/actions-results/a%2Fb.zip?se=2026&sig=a%2Bb%3D"
)

func TestStorageToWhichGitHubLedAnAgentIsADownload(t *testing.T) {
	t.Parallel()
	w := newTold(t)
	assert.Equal(t, "nobody's", w.is(mine, http.MethodGet, blob))
	w.answer(artifact, http.StatusFound, moved(blob), "")
	assert.Equal(t, "download/get", w.is(mine, http.MethodGet, blob))
	assert.Equal(t, "download/get", w.is(mine, http.MethodHead, blob))
	assert.Equal(t, "download/get", w.is(mine, http.MethodGet, "https://ProductionResultsSA7.blob.core.windows.net/actions-results/a/b.zip?se=2026&sig=a+b="), "whichever characters a client escapes")
	_, m := w.asks(mine, http.MethodGet, blob)
	assert.Equal(t, "github.com", m.Server)

	assert.Equal(t, "nobody's", w.is(yours, http.MethodGet, blob), "another agent was not led there")
	for method, url := range map[string]string{
		http.MethodPut:    blob,
		http.MethodPost:   blob,
		http.MethodDelete: blob,
		http.MethodGet:    "https://productionresultssa7.blob.core.windows.net/actions-results/a%2Fb.zip?se=2026",
		http.MethodHead:   "https://productionresultssa7.blob.core.windows.net/other.zip?se=2026&sig=a%2Bb%3D",
		http.MethodPatch:  blob,
	} {
		assert.Equal(t, "nobody's", w.is(mine, method, url), method)
	}
	assert.Equal(t, "nobody's", w.is(mine, http.MethodGet, "http"+blob[len("https"):]), "not in clear text")
}

// Nobody but GitHub leads an agent anywhere, and only to what is signed storage.
func TestWhatLeadsNowhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		asked, to string
		status    int
	}{
		"a page that others write": {web + "/issues/7", blob, http.StatusFound},
		"what moved for good":      {artifact, blob, http.StatusMovedPermanently},
		"what is no redirect":      {artifact, blob, http.StatusOK},
		"clear text":               {artifact, "http://storage.example.com/x?sig=a", http.StatusFound},
		"another port":             {artifact, "https://storage.example.com:8443/x?sig=a", http.StatusFound},
		"an address":               {artifact, "https://169.254.169.254/latest/meta-data?sig=a", http.StatusFound},
		"an address of IPv6":       {artifact, "https://[fd00:ec2::254]/latest?sig=a", http.StatusFound},
		"a name of this machine":   {artifact, "https://localhost/x?sig=a", http.StatusFound},
		"what is not signed":       {artifact, "https://storage.example.com/x", http.StatusFound},
		"GitHub itself":            {artifact, "https://api.github.com/repos/acme/secret/issues?page=1", http.StatusFound},
		"another GitHub":           {artifact, "https://" + enterprise + "/api/v3/repos/acme/secret?x=1", http.StatusFound},
		"the site":                 {artifact, "https://github.com/login?return_to=x", http.StatusFound},
	} {
		w := newTold(t)
		before := w.is(mine, http.MethodGet, c.to)
		w.answer(c.asked, c.status, moved(c.to), "")
		assert.Equal(t, before, w.is(mine, http.MethodGet, c.to), name)
		assert.NotEqual(t, "download/get", before, name)
	}
	w := newTold(t)
	w.answer(artifact, http.StatusFound, http.Header{"Location": {blob, blob}}, "")
	assert.Equal(t, "nobody's", w.is(mine, http.MethodGet, blob), "two places are none")
	w.answer(artifact, http.StatusFound, moved(blob), "")
	w.answer(blob, http.StatusFound, moved("https://elsewhere.example.com/x?sig=a"), "")
	assert.Equal(t, "nobody's", w.is(mine, http.MethodGet, "https://elsewhere.example.com/x?sig=a"), "storage leads no further")
}

func TestRawContentsLeadToASignedForm(t *testing.T) {
	t.Parallel()
	const signed = "https://raw.githubusercontent.com/acme/web/refs/heads/main/README.md?token=ABC"
	w := newTold(t)
	assert.Contains(t, w.is(mine, http.MethodGet, signed), "without a query")
	w.answer("https://github.com/acme/web/raw/main/README.md", http.StatusFound, moved(signed), "")
	assert.Equal(t, "download/get", w.is(mine, http.MethodGet, signed))
	assert.Contains(t, w.is(mine, http.MethodGet, signed+"D"), "without a query")
}

func TestWhatOneServerLedToIsNotAnothers(t *testing.T) {
	t.Parallel()
	w := newTold(t)
	w.answer("https://"+enterprise+"/api/v3/repos/acme/web/actions/artifacts/5/zip", http.StatusFound, moved(blob), "")
	_, m := w.asks(mine, http.MethodGet, blob)
	assert.Equal(t, enterprise, m.Server, "a rule about github.com does not open it")
}
