package main_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	sallyport "sallyport/cmd/sallyport"
)

// Times are typed as a person thinks of them, and are never guessed.
func TestTimesThatPeopleType(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for typed, want := range map[string]time.Time{
		"":                          {},
		"0s":                        now,
		"90s":                       now.Add(-90 * time.Second),
		"2h":                        now.Add(-2 * time.Hour),
		"2160h":                     now.AddDate(0, 0, -90),
		"2026-01-31":                time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC),
		"2026-01-31T09:00:00Z":      time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC),
		"2026-01-31T09:00:00.25Z":   time.Date(2026, 1, 31, 9, 0, 0, 250_000_000, time.UTC),
		"2026-01-31T09:00:00+02:00": time.Date(2026, 1, 31, 7, 0, 0, 0, time.UTC),
	} {
		got, err := sallyport.ParseMoment("--since", typed, now)
		require.NoError(t, err, typed)
		assert.True(t, want.Equal(got), "%s: %s", typed, got)
	}
	for _, wrong := range []string{"-1h", "soon", "2026-02-30", "2026-1-1", "31.01.2026", "2026-01-31T09:00:00", "1767261602", "2h ", "∞"} {
		_, err := sallyport.ParseMoment("--since", wrong, now)
		require.ErrorContains(t, err, `--since "`+wrong+`" is not a time: write 2h for two hours ago`)
	}
}

// The filters of a search are the same in every command that searches, and mean the same.
func TestSearchesAgree(t *testing.T) {
	t.Parallel()
	home := keptHome(t, "v8")
	for _, filter := range []string{
		"", "--agent builder", "--owner team:ops", "--host api.github.com", "--decision deny", "--outcome refused", "--status 200",
		"--operation github:git/*", "--credential acme-aws", "--since 2026-11-20T08:02:00Z", "--until 2026-11-20T08:01:00Z --decision allow",
	} {
		args := strings.Fields(filter)
		var listed []struct{ ID string }
		typeLine(t, home, append([]string{"audit", "list", "--limit", "0", "-o", "json"}, args...)...).into(t, &listed)
		var counted []struct{ Exchanges int }
		typeLine(t, home, append([]string{"audit", "stats", "--by", "agent", "-o", "json"}, args...)...).into(t, &counted)
		total := 0
		for _, c := range counted {
			total += c.Exchanges
		}
		assert.NotEmpty(t, listed, filter)
		assert.Len(t, listed, total, filter)
		lines := strings.Split(strings.TrimSpace(typeLine(t, home, append([]string{"audit", "list", "--limit", "0"}, args...)...).done(t)), "\n")
		assert.Len(t, lines, total+1, filter)
		exported := typeLine(t, home, append([]string{"audit", "export", "--format", "jsonl", "--only", "exchanges"}, args...)...).done(t)
		ended := strings.Count(exported, "\n")
		assert.LessOrEqual(t, ended, total, "an export has what has ended: %s", filter)
		for _, x := range listed {
			if ended == total {
				assert.Contains(t, exported, x.ID, filter)
			}
		}
	}
}

// Pages put together are the whole, in its order, with nothing twice.
func TestPagesOfAListAreTheWhole(t *testing.T) {
	t.Parallel()
	home := keptHome(t, "v8")
	type row struct {
		ID  string
		Seq uint64
	}
	var whole, pages []row
	typeLine(t, home, "audit", "list", "--limit", "0", "-o", "json").into(t, &whole)
	require.Greater(t, len(whole), 40)
	args := []string{"audit", "list", "--limit", "17", "-o", "json"}
	for {
		var page []row
		typeLine(t, home, args...).into(t, &page)
		if len(page) == 0 {
			break
		}
		pages = append(pages, page...)
		args = append(args[:6:6], "--before", uintText(page[len(page)-1].Seq))
	}
	assert.Equal(t, whole, pages)
	first := typeLine(t, home, "audit", "list", "--limit", "17")
	first.done(t)
	assert.Equal(t, "there may be more: --before "+uintText(whole[16].Seq)+"\n", first.err)
}

// What an export says to go on after is where the next one goes on.
func TestExportsGoOnWhereTheyStopped(t *testing.T) {
	t.Parallel()
	home := keptHome(t, "v8")
	for _, format := range []string{"jsonl", "ocsf"} {
		whole := typeLine(t, home, "audit", "export", "--format", format)
		parts, after := "", "0"
		for {
			part := typeLine(t, home, "audit", "export", "--format", format, "--limit", "40", "--after", after)
			parts += part.done(t)
			count, next, found := strings.Cut(strings.TrimSpace(part.err), " records; to go on later: --after ")
			require.True(t, found, part.err)
			if count != "40" {
				break
			}
			require.NotEqual(t, after, next)
			after = next
		}
		assert.True(t, whole.done(t) == parts, "%s: the parts are %d bytes, the whole %d", format, len(parts), len(whole.out))
	}
}
