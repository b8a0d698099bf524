package credentials_test

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials"
)

const asBearer = "kind: bearer, hosts: [h.example]"

// scrubbed returns what value becomes and the number of hits.
func scrubbed(t *testing.T, secret, entry, value string) (string, int) {
	t.Helper()
	h := http.Header{"Location": {value}}
	hits := injection(t, secret, entry).Scrub(h)
	return h["Location"][0], hits
}

func TestScrubFindsEveryForm(t *testing.T) {
	t.Parallel()
	escapedAll := ""
	for i := range len(canary) {
		escapedAll += fmt.Sprintf("%%%02x", canary[i])
	}
	inJSON, err := json.Marshal(map[string]string{"k": `"` + canary})
	require.NoError(t, err)
	unicode := strings.NewReplacer("=", `\u003d`, "/", `\/`, "+", `\u002B`).Replace(canary)
	cases := map[string]struct{ value, want string }{
		"raw":                {"Bearer " + canary + ", x", "Bearer [redacted], x"},
		"twice":              {canary + canary + "-" + canary, "[redacted][redacted]-[redacted]"},
		"percent":            {"/cb?t=" + url.QueryEscape(canary) + "&u", "/cb?t=[redacted]&u"},
		"percent lower":      {"/cb?t=" + strings.ToLower("%3D") + strings.ReplaceAll(canary, "=", "%3d"), "/cb?t=%3d[redacted]"},
		"percent everything": {"x" + escapedAll + "y", "x[redacted]y"},
		"percent twice":      {"/a?u=" + url.QueryEscape(url.QueryEscape(canary)), "/a?u=[redacted]"},
		"json":               {string(inJSON), `{"k":"\"[redacted]"}`},
		"json unicode":       {`{"k":"` + unicode + `"}`, `{"k":"[redacted]"}`},
		"json in url":        {url.PathEscape(`{"k":"` + unicode + `"}`), "%7B%22k%22:%22[redacted]%22%7D"},
		"base64":             {"x " + base64.StdEncoding.EncodeToString([]byte(canary)) + " y", "x [redacted]== y"},
		"base64 in percent":  {"x=" + url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(canary))), "x=[redacted]%3D%3D"},
		"raw beside base64":  {canary + " " + base64.StdEncoding.EncodeToString([]byte(canary)), "[redacted] [redacted]=="},
		"invalid escapes":    {"%zz%" + canary + "%4", "%zz%[redacted]%4"},
		"only part":          {canary[1:], canary[1:]},
		"nothing":            {"text/html; charset=utf-8", "text/html; charset=utf-8"},
		"hex":                {"x" + fmt.Sprintf("%x", canary) + "-", "x[redacted]-"},
		"hex in capitals":    {fmt.Sprintf("%X", canary), "[redacted]"},
		"hex in percent":     {"%36%33" + fmt.Sprintf("%x", canary)[4:], "%36%33" + fmt.Sprintf("%x", canary)[4:]}, // not whole
		"base32":             {base32.StdEncoding.EncodeToString([]byte(canary)), "[redacted]===="},
		"base32 in lower":    {strings.ToLower(base32.StdEncoding.EncodeToString([]byte("user:" + canary))), "ovzwk4r2[redacted]===="},
		"other case":         {strings.ToUpper(canary) + " " + strings.ToLower(canary), "[redacted] [redacted]"},
		"other case escaped": {url.QueryEscape(strings.ToUpper(canary)), "[redacted]"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, hits := scrubbed(t, canary, asBearer, test.value)
			assert.Equal(t, test.want, got)
			assert.Equal(t, strings.Count(test.want, "[redacted]"), hits)
		})
	}
}

// TestScrubLeavesNoBase64 puts secrets of several lengths at every alignment, with
// every neighbour, in both alphabets, and decodes what is left.
func TestScrubLeavesNoBase64(t *testing.T) {
	t.Parallel()
	for length := 8; length < 40; length++ {
		secret := strings.Repeat("k3?>\xfe\xffS9~q", 4)[:length]
		i := injection(t, secret, asBearer)
		for before := range 7 {
			for after := range 4 {
				plain := strings.Repeat("u", before) + secret + strings.Repeat(":", after)
				for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
					h := http.Header{"X": {encoding.EncodeToString([]byte(plain))}}
					require.Equal(t, 1, i.Scrub(h), "%d %d %d", length, before, after)
					rest := h.Get("X")
					require.Contains(t, rest, "[redacted]")
					require.LessOrEqual(t, len(rest), len("[redacted]")+(before*4+2)/3+1+(after*4+2)/3+2)
				}
			}
		}
	}
}

func TestScrubFindsBasicCredentials(t *testing.T) {
	t.Parallel()
	entry := "kind: basic, username: robot, hosts: [h.example]"
	got, hits := scrubbed(t, canary, entry, "Basic "+base64.StdEncoding.EncodeToString([]byte("robot:"+canary)))
	assert.Equal(t, "Basic [redacted]", got)
	assert.Equal(t, 1, hits)
	got, hits = scrubbed(t, "pw", entry, "Basic "+base64.StdEncoding.EncodeToString([]byte("robot:pw")))
	assert.Equal(t, "Basic [redacted]", got)
	assert.Equal(t, 1, hits)
}

func TestScrubFindsFormsOfAQueryCredential(t *testing.T) {
	t.Parallel()
	secret := "two words & more"
	entry := "kind: query, parameter: key, hosts: [h.example]"
	for _, value := range []string{"/r?key=" + url.QueryEscape(secret), "/r?key=" + url.PathEscape(secret), "/r?key=two+words+&+more"} {
		got, hits := scrubbed(t, secret, entry, value)
		assert.Equal(t, "/r?key=[redacted]", got)
		assert.Equal(t, 1, hits)
	}
}

// TestScrubOfShortSecretsLeavesWordsAlone: see shortSecret.
func TestScrubOfShortSecretsLeavesWordsAlone(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"abcdef": "abcdef", "xabc": "xabc", "abc1": "abc1", "abc": "[redacted]", "token=abc; x": "token=[redacted]; x",
		"xabc abc": "xabc [redacted]", "abcabc-abc": "abcabc-[redacted]",
	} {
		got, _ := scrubbed(t, "abc", asBearer, value)
		assert.Equal(t, want, got, value)
	}
	got, hits := scrubbed(t, "redacted", asBearer, "redacted redacted")
	assert.Equal(t, "[redacted] [redacted]", got, "a secret that looks like the mark ends")
	assert.Equal(t, 2, hits)
}

func TestScrubLooksAtEveryValueAndName(t *testing.T) {
	t.Parallel()
	inHex := fmt.Sprintf("%x", canary)
	h := http.Header{
		canary: {"v"}, http.CanonicalHeaderKey("x-" + inHex + "-y"): {"v"}, strings.ToLower(canary): nil,
		"A": {"x", canary, canary + canary}, "B": nil, "Content-Type": {"text/plain"},
	}
	assert.Equal(t, 6, injection(t, canary, asBearer).Scrub(h))
	assert.Equal(t, http.Header{"A": {"x", "[redacted]", "[redacted][redacted]"}, "B": nil, "Content-Type": {"text/plain"}}, h)
	assert.Zero(t, injection(t, canary, asBearer).Scrub(nil))
	short := http.Header{"Type": {"x"}, "Content-Type": {"x"}}
	assert.Zero(t, injection(t, "type", asBearer).Scrub(short), "a short secret is a word like any")
	assert.Len(t, short, 2)
}

// TestScrubLeavesNoBase32 is TestScrubLeavesNoBase64 in another alphabet.
func TestScrubLeavesNoBase32(t *testing.T) {
	t.Parallel()
	for length := 8; length < 24; length++ {
		secret := strings.Repeat("k3?>\xfe\xffS9~q", 4)[:length]
		i := injection(t, secret, asBearer)
		for before := range 11 {
			for after := range 6 {
				h := http.Header{"X": {base32.StdEncoding.EncodeToString([]byte(strings.Repeat("u", before) + secret + strings.Repeat(":", after)))}}
				require.Equal(t, 1, i.Scrub(h), "%d %d %d", length, before, after)
				rest := strings.TrimRight(h.Get("X"), "=")
				require.LessOrEqual(t, len(rest), len("[redacted]")+(before*8+4)/5+(after*8+4)/5+1)
			}
		}
	}
}

// What a server says of a failure goes to the log, to a row and to who checks a credential.
func TestAServersWordsAreBounded(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Bad credentials": "Bad credentials", "": "", " a\tb\x1b[31m ": "a b [31m", "first\nx-amz-security-token:abc": "first…",
		"token ghs_4711_aaaaaaaaaaaaaaaaaaaaaa.b-c is no": "token [redacted] is no", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2ln": "[redacted]",
		fmt.Sprintf("sent %x", canary): "sent [redacted]", "sent " + base64.StdEncoding.EncodeToString([]byte(canary+canary+"abcdefg1")): "sent [redacted]",
		"User: arn:aws:iam::123456789012:user/sallyport is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/teams/platform/production/the/agents/role": "User: arn:aws:iam::123456789012:user/sallyport is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/teams/platform/production/the/agents/role",
		strings.Repeat("long ", 100): strings.Repeat("long ", 60) + "…", "\xff\xfeé": "é",
	} {
		assert.Equal(t, want, credentials.Told(text))
	}
}

func answer() http.Header {
	return http.Header{
		"Date":                      {"Mon, 23 Nov 2026 08:32:40 GMT"},
		"Content-Type":              {"application/json; charset=utf-8"},
		"Content-Security-Policy":   {"default-src 'none'; frame-ancestors 'none'; report-uri https://csp.example.com/report?v=1"},
		"Strict-Transport-Security": {"max-age=31536000; includeSubDomains; preload"},
		"Report-To":                 {`{"endpoints":[{"url":"https:\/\/a.nel.cloudflare.com\/report\/v4?s=Yk1vM2%2BqZ9%3D%3D"}],"group":"cf-nel","max_age":604800}`},
		"Etag":                      {`W/"b9b1d4c5a2f0e3d7c8a6b5f4e3d2c1b0a9f8e7d6c5b4a39281706f5e4d3c2b1a"`},
		"X-Request-Id":              {"req_011CSHoEeqs5C35K2UUqR7Fy"},
		"Cf-Ray":                    {"8f1a2b3c4d5e6f70-FRA"},
		"Set-Cookie":                {"__cf_bm=Zk3vQ9xYw1aB2cD4eF5gH6iJ7kL8mN9oP0qR-1732350760-1.0.1.1-abcdefghijklmnopqrstuvwxyz0123456789; path=/; HttpOnly; Secure"},
		"Server":                    {"cloudflare"},
		"Vary":                      {"Accept-Encoding"},
		"Content-Length":            {"1234"},
	}
}

func BenchmarkScrubWithoutHit(b *testing.B) {
	set := benchSet(b, "kind: bearer, hosts: [h.example]")
	i, err := set.Lookup("a").Retrieve(b.Context(), credentials.Use{})
	require.NoError(b, err)
	h := answer()
	b.ReportAllocs()
	for b.Loop() {
		if i.Scrub(h) != 0 {
			b.Fatal("hit")
		}
	}
}

func TestScrubWithoutHitDoesNotAllocate(t *testing.T) {
	i := injection(t, "sk-ant-api03-"+strings.Repeat("Ab1_", 24), asBearer)
	h := answer()
	assert.Zero(t, testing.AllocsPerRun(100, func() { i.Scrub(h) }))
}

// What a request is authenticated by is found in the text of an error about it.
func TestRequestScrubberKnowsEveryValue(t *testing.T) {
	t.Parallel()
	r := request(t, "https://sts.test/")
	r.Header.Set("Authorization", "Bearer "+canary)
	assert.Equal(t, 1, credentials.RequestScrubber(r)(http.Header{"": {"sent " + canary}}))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=ASIA/1/2/3/aws4_request, SignedHeaders=host, Signature=00")
	assert.Zero(t, credentials.RequestScrubber(r)(http.Header{"": {"sent " + canary}}))
	for _, name := range []string{"X-Amz-Security-Token", "X-Amz-Sso_bearer_token"} {
		r := request(t, "https://sts.test/")
		r.Header.Set(name, canary)
		assert.Equal(t, 1, credentials.RequestScrubber(r)(http.Header{"": {"sent " + canary}}), name)
	}
}
