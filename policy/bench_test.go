package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sallyport/policy"
)

// large writes a policy of so many rules over so many hosts, as a file would.
func large(rules, hosts int) []byte {
	var b strings.Builder
	b.WriteString("policy: large\nrules:\n")
	for i := range rules {
		fmt.Fprintf(&b, "  - name: rule-%d\n    allow: {host: host-%d.example.com, methods: [GET, HEAD], path: /v%d/**}\n    credential: key-%d\n",
			i, i%hosts, i/hosts, i%hosts)
	}
	return []byte(b.String())
}

func BenchmarkParse(b *testing.B) {
	data := large(10_000, 1_000)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		_, err := policy.Parse("large.yaml", data)
		require.NoError(b, err)
	}
}

// BenchmarkDecide asks about a host with ten rules, of which the last decides.
func BenchmarkDecide(b *testing.B) {
	for _, rules := range []int{10, 1_000, 10_000} {
		p, err := policy.Parse("large.yaml", large(rules, rules/10))
		require.NoError(b, err)
		for name, url := range map[string]string{
			"allow": "https://host-0.example.com/v9/some/longer/path.json?page=2",
			"deny":  "https://host-0.example.com/none/some/longer/path.json?page=2",
			"other": "https://some.other.example.org/v9/some/longer/path.json?page=2",
		} {
			q, err := policy.ParseRequest("GET", url)
			require.NoError(b, err)
			b.Run(fmt.Sprintf("%s/rules=%d", name, rules), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.Decide(q)
				}
			})
		}
	}
}

func BenchmarkParsePath(b *testing.B) {
	for name, path := range map[string]string{"plain": "/repos/acme/web/contents/src/main.go", "escaped": "/projects/acme%2Fweb/files/src%2Fmain.go"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := policy.ParsePath(path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
