package config_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/config"
)

// placed is sallyport.yaml with places for checkpoints.
func placed(places string) string {
	return "trust_domain: agents.example.com\naudit: {max_unpublished: 1h, publish: [" + places + "]}\n"
}

const storeCredentials = `credentials:
  key: {kind: bearer, secret: {file: key}, hosts: [api.example.com]}
  store: {kind: aws_keys, access_key_id: AKIA1, secret: {file: key}, region: auto, hosts: ["*.amazonaws.com", "*.amazonaws.com.cn", store.example]}
`

func TestPlacesForCheckpoints(t *testing.T) {
	t.Parallel()
	l := files(t, map[string]string{"credentials.yaml": storeCredentials, "sallyport.yaml": placed(
		`{file: published/checkpoint}, {file: /srv/checkpoint}, {command: [cp, -f, "5"]}, {url: "https://witness.example/add?log=1"}, ` +
			`{s3: {bucket: trail, region: eu-west-1, credential: store, prefix: a/b, lock: compliance, retain: 8760h}}`)})
	set, err := config.Load(l, options())
	require.NoError(t, err)
	assert.Equal(t, time.Hour, set.Config.MaxUnpublished)
	places := set.Config.Publish
	require.Len(t, places, 5)
	assert.Equal(t, filepath.Join(l.Dir, "published/checkpoint"), places[0].File)
	assert.Equal(t, "/srv/checkpoint", places[1].File)
	assert.Equal(t, []string{"cp", "-f", "5"}, places[2].Command)
	assert.Equal(t, "https://witness.example/add?log=1", places[3].URL)
	s3 := places[4].S3
	require.NotNil(t, s3)
	assert.Equal(t, "a/b", s3.Prefix)
	assert.Equal(t, "COMPLIANCE", s3.Lock)
	assert.Equal(t, 365*24*time.Hour, s3.Retain)
}

// A bucket is named in the host where the certificate covers that, else in the path.
func TestWhereABucketIs(t *testing.T) {
	t.Parallel()
	for bucket, want := range map[string]string{
		"bucket: trail, region: eu-west-1":                                             "https://trail.s3.eu-west-1.amazonaws.com/",
		"bucket: the.trail, region: eu-west-1":                                         "https://s3.eu-west-1.amazonaws.com/the.trail/",
		"bucket: trail, region: cn-north-1":                                            "https://trail.s3.cn-north-1.amazonaws.com.cn/",
		"bucket: trail, region: auto, endpoint: \"https://store.example\"":             "https://store.example/trail/",
		"bucket: trail, region: auto, endpoint: \"https://store.example/under/this/\"": "https://store.example/under/this/trail/",
	} {
		l := files(t, map[string]string{"credentials.yaml": storeCredentials, "sallyport.yaml": placed("{s3: {" + bucket + ", credential: store}}")})
		set, err := config.Load(l, options())
		require.NoError(t, err, bucket)
		assert.Equal(t, want, set.Config.Publish[0].S3.Address)
	}
}

// What only two files together get wrong about a place is said where the place is.
func TestPlacesWhoseCredentialsDoNotFit(t *testing.T) {
	t.Parallel()
	for place, want := range map[string]string{
		"bucket: trail, region: eu-west-1, credential: gone": `credentials.yaml has no credential "gone"`,
		"bucket: trail, region: eu-west-1, credential: key":  `credential "key" is of kind bearer, which signs nothing; name one of kind aws_keys or aws_role`,
		"bucket: trail, region: auto, credential: store, endpoint: \"https://other.example\"": `credential "store" must not go to other.example (it is bound to *.amazonaws.com, *.amazonaws.com.cn, store.example); ` +
			`add the host to the credential's hosts`,
		"bucket: trail, region: auto, credential: store, endpoint: \"https://a_b%25.example\"": "host",
	} {
		l := files(t, map[string]string{"credentials.yaml": storeCredentials, "sallyport.yaml": placed("{file: a}, {s3: {" + place + "}}")})
		_, err := config.Load(l, options())
		require.ErrorContains(t, err, l.Config()+":2: audit.publish[1].s3.credential: ", place)
		require.ErrorContains(t, err, want, place)
	}
}

// Places are read once: a change of any of them waits for the next start, and where a place
// stands in the file is none.
func TestAPlaceThatChangesWaitsForARestart(t *testing.T) {
	t.Parallel()
	const s3 = `{s3: {bucket: trail, region: eu-west-1, credential: store}}`
	for name, c := range map[string]struct {
		now     string
		changed bool
	}{
		"only moved":      {"\n  " + s3 + ", {file: a}, {command: [cp, a]}", false},
		"another bucket":  {strings.Replace(s3, "trail", "trail2", 1) + ", {file: a}, {command: [cp, a]}", true},
		"another file":    {s3 + ", {file: b}, {command: [cp, a]}", true},
		"another command": {s3 + ", {file: a}, {command: [cp, b]}", true},
		"one less":        {s3 + ", {file: a}", true},
		"another kind":    {`{url: "https://a.example"}, {file: a}, {command: [cp, a]}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := files(t, map[string]string{"credentials.yaml": storeCredentials, "sallyport.yaml": placed(s3 + ", {file: a}, {command: [cp, a]}")})
			s, err := config.OpenStore(l, options())
			require.NoError(t, err)
			write(t, l, "sallyport.yaml", placed(c.now)+"# changed\n")
			r, err := s.Reload(commit)
			require.NoError(t, err)
			require.True(t, r.Changed)
			if c.changed {
				assert.Contains(t, r.Set.Warnings, "sallyport.yaml: audit.publish changed; it takes effect when the server is started again")
			} else {
				assert.NotContains(t, strings.Join(r.Set.Warnings, "\n"), "audit.publish")
			}
		})
	}
}
