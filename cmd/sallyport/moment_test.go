package main_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	sallyport "sallyport/cmd/sallyport"
)

// Times are typed as a person thinks of them, on the clock of now, and are never guessed.
func TestTimesThatPeopleType(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, berlin)
	for typed, want := range map[string]time.Time{
		"":                          {},
		"0s":                        now,
		"90s":                       now.Add(-90 * time.Second),
		"2h":                        now.Add(-2 * time.Hour),
		"1d":                        now.Add(-24 * time.Hour),
		"1d12h30m":                  now.Add(-36*time.Hour - 30*time.Minute),
		"90d":                       now.Add(-90 * 24 * time.Hour),
		"2160h":                     now.Add(-90 * 24 * time.Hour),
		"yesterday":                 time.Date(2026, 11, 28, 23, 0, 0, 0, time.UTC),
		"2026-01-31":                time.Date(2026, 1, 30, 23, 0, 0, 0, time.UTC),
		"2026-07-31":                time.Date(2026, 7, 30, 22, 0, 0, 0, time.UTC), // summer time
		"2026-01-31 09:00":          time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC),
		"2026-01-31 09:00:30":       time.Date(2026, 1, 31, 8, 0, 30, 0, time.UTC),
		"2026-01-31T09:00:00Z":      time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC),
		"2026-01-31T09:00:00.25Z":   time.Date(2026, 1, 31, 9, 0, 0, 250_000_000, time.UTC),
		"2026-01-31T09:00:00+02:00": time.Date(2026, 1, 31, 7, 0, 0, 0, time.UTC),
	} {
		got, err := sallyport.ParseMoment("--since", typed, now)
		require.NoError(t, err, typed)
		assert.True(t, want.Equal(got), "%s: %s", typed, got)
	}
	for _, wrong := range []string{
		"-1h", "soon", "2026-02-30", "2026-1-1", "31.01.2026", "2026-01-31T09:00:00", "2026-01-31 9am", "1767261602", "2h ", "∞",
		"d", "-1d", "1.5d", "1d-2h", "1d1d", "1dd", "d2h", "+1d", "999999999d", "1 d", "Yesterday", "tomorrow",
	} {
		_, err := sallyport.ParseMoment("--since", wrong, now)
		require.ErrorContains(t, err, `--since "`+wrong+`" is not a time: write 2h or 1d for that long ago`, wrong)
	}
}

// The day before the first of March is found in a leap year too, and where it has 23 hours.
func TestYesterdayIsADayOfTheCalendar(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for now, want := range map[time.Time]string{
		time.Date(2028, 3, 1, 0, 0, 0, 0, berlin):    "2028-02-29T00:00:00+01:00",
		time.Date(2027, 1, 1, 23, 59, 0, 0, berlin):  "2026-12-31T00:00:00+01:00",
		time.Date(2026, 3, 30, 0, 30, 0, 0, berlin):  "2026-03-29T00:00:00+01:00",
		time.Date(2026, 10, 26, 0, 30, 0, 0, berlin): "2026-10-25T00:00:00+02:00",
	} {
		got, err := sallyport.ParseMoment("--since", "yesterday", now)
		require.NoError(t, err)
		assert.Equal(t, want, got.Format(time.RFC3339), "%s", now)
	}
}

// Times are read and printed in one zone, which changes what an instant is called and nothing
// else. Scripts have UTC in what they are told, and unless they say otherwise in what they say.
func TestTimesHaveAZone(t *testing.T) {
	t.Parallel()
	home := keptHome(t, "v8")
	type row struct {
		ID        string
		StartedAt string `json:"started_at"`
	}
	list := func(args ...string) (rows []row) {
		typeLine(t, home, append([]string{"audit", "list", "--limit", "0", "-o", "json"}, args...)...).into(t, &rows)
		return rows
	}
	all := list()
	require.NotEmpty(t, all)
	assert.Equal(t, all, list("--tz", "Pacific/Auckland"), "JSON is in UTC")
	for _, x := range all {
		assert.True(t, strings.HasSuffix(x.StartedAt, "Z"), x.StartedAt)
	}
	began := all[len(all)-1].StartedAt
	began = began[:len("2026-11-20T08:00:00")]
	people := typeLine(t, home, "audit", "list", "--limit", "0", "--tz", "UTC").done(t)
	assert.Contains(t, people, began+"Z")
	moved, err := time.Parse("2006-01-02T15:04:05", began)
	require.NoError(t, err)
	kolkata := typeLine(t, home, "--tz", "Asia/Kolkata", "audit", "list", "--limit", "0").done(t)
	assert.Contains(t, kolkata, moved.Add(5*time.Hour+30*time.Minute).Format("2006-01-02T15:04:05")+"+05:30")
	assert.Equal(t, strings.Count(people, "\n"), strings.Count(kolkata, "\n"))

	// The same words name another instant in another zone.
	minute := moved.Format("2006-01-02 15:04")
	assert.Equal(t, all, list("--since", minute), "a script's own zone is UTC")
	assert.Equal(t, all, list("--since", moved.Add(5*time.Hour+30*time.Minute).Format("2006-01-02 15:04"), "--tz", "Asia/Kolkata"))
	assert.Equal(t, all, list("--since", minute, "--tz", "Asia/Kolkata"))
	assert.Less(t, len(list("--since", minute, "--tz", "America/New_York")), len(all))
	assert.Empty(t, list("--until", minute))

	// Where nothing is said it is the zone of the clock on the wall, for people.
	wall, err := time.LoadLocation("Asia/Kolkata")
	require.NoError(t, err)
	assert.Equal(t, kolkata, typeAt(t, time.Now().In(wall), home, "", "audit", "list", "--limit", "0").done(t))
	assert.Equal(t, people, typeAt(t, time.Now().In(wall), home, "", "audit", "list", "--limit", "0", "--tz", "UTC").done(t))
	var rows []row
	typeAt(t, time.Now().In(wall), home, "", "audit", "list", "--limit", "0", "-o", "json", "--since", minute).into(t, &rows)
	assert.Equal(t, all, rows)

	for _, wrong := range []string{"Nowhere/City", "../../etc/passwd", "CET+1", "berlin"} {
		got := typeLine(t, home, "audit", "list", "--tz", wrong)
		assert.Equal(t, 2, got.code)
		assert.Contains(t, got.err, `sallyport: --tz "`+wrong+`" is not a time zone: write it as Europe/Berlin, UTC or Local`)
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
