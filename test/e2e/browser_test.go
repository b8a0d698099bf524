package e2e_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Chromium reads no variable that names certificates, and knows no password of a proxy.
func TestChromium(t *testing.T) {
	full(t)
	t.Parallel()
	chromium := find(t, "chromium")
	find(t, "certutil")
	c := newClient(t, "--peer-uid")
	out, err := shared.home.Run(t.Context(), "env", "--proxy", c.proxy, "--identity", c.agent.Dir, "--browsers", "--format", "json")
	require.NoError(t, err)
	var variables map[string]string
	require.NoError(t, json.Unmarshal([]byte(out), &variables))
	c.env = append(c.env, "XDG_DATA_HOME="+variables["XDG_DATA_HOME"])
	page := c.run(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom", "https://"+apiHost+"/echo?chromium")
	assert.Contains(t, page, `"query":"chromium"`)
	assert.NotContains(t, page, "ERR_CERT")
	c.recorded(echoRow)
}

// Maven has no other way to a password than a settings.xml.
func TestMaven(t *testing.T) {
	full(t)
	t.Parallel()
	maven := find(t, "mvn")
	c := newClient(t, "--peer-uid")
	c.write("pom.xml", `<project><modelVersion>4.0.0</modelVersion>
<parent><groupId>work</groupId><artifactId>parent</artifactId><version>1.0</version><relativePath/></parent>
<artifactId>child</artifactId><packaging>pom</packaging>
<repositories><repository><id>work</id><url>https://`+apiHost+`/maven</url></repository></repositories></project>`)
	c.run(maven, "-B", "-q", "-Dmaven.repo.local="+filepath.Join(c.dir, "repository"), "validate")
	c.recorded(row{"GET", apiHost, "/maven/work/parent/1.0/parent-1.0.pom", "api", "api", 200})
}
