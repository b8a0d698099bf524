package glob_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"sallyport/internal/glob"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"web", "web", true},
		{"web", "webs", false},
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "a/b", true},
		{"w*b", "wb", true},
		{"w*b", "w--b", true},
		{"w*b", "web-", false},
		{"*a*a*", "a", false},
		{"*a*a*", "xaya", true},
		{"a*a", "a", false},
		{"**", "a", true},
	} {
		assert.Equal(t, c.want, glob.Match(c.pattern, c.text), "%q on %q", c.pattern, c.text)
	}
	begun := time.Now()
	assert.False(t, glob.Match(strings.Repeat("a*", 500)+"b", strings.Repeat("a", 100_000)))
	assert.Less(t, time.Since(begun), 5*time.Second, "no pattern makes a comparison long")
}

// Two patterns meet if and only if some text matches both.
func TestMeet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"web", "web", true},
		{"web", "api", false},
		{"w*", "*b", true},
		{"w*", "a*", false},
		{"*", "", true},
		{"x*y", "xa*z", false},
		{"x*y", "xa*", true},
		{"a*c", "*b*", true},
		{"é*", "éa", true},
	} {
		assert.Equal(t, c.want, glob.Meet(c.a, c.b), "%q and %q", c.a, c.b)
		assert.Equal(t, c.want, glob.Meet(c.b, c.a), "%q and %q", c.b, c.a)
	}
}

func FuzzMeet(f *testing.F) {
	f.Add("a*b", "ab", "aab")
	f.Add("*", "x*y*", "xzy")
	f.Fuzz(func(t *testing.T, a, b, text string) {
		if len(a)+len(b)+len(text) > 200 || strings.ToValidUTF8(a+b+text, "") != a+b+text {
			return
		}
		if glob.Match(a, text) && glob.Match(b, text) {
			assert.True(t, glob.Meet(a, b), "both match %q", text)
		}
	})
}

func TestMeetAny(t *testing.T) {
	t.Parallel()
	same := func(a, b int) bool { return a == b }
	assert.True(t, glob.MeetAny([]int{1, 2}, []int{2, 3}, same))
	assert.False(t, glob.MeetAny([]int{1}, []int{2}, same))
	assert.True(t, glob.MeetAny(nil, []int{2}, same), "none is all")
	assert.True(t, glob.MeetAny([]int{1}, nil, same), "none is all")
}
