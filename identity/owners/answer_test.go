package owners_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/identity/owners"
)

const rotating = `
fallback: boss
people:
  boss: {name: Bo Ss}
  kim:  {name: Kim Roe, manager: boss}
  dana: {name: Dana Ito, manager: kim, zone: Europe/Berlin, absent: [{from: 2026-12-24, until: 2027-01-02}]}
  lee:  {manager: kim}
  gone: {name: Go Ne, active: false, manager: kim}
teams:
  platform:
    members: [dana, kim, lee]
    fallback: kim
    oncall:
      zone: Europe/Berlin
      start: 2026-11-30 09:00
      every: 1w
      order: [dana, kim, lee]
      overrides: [{from: 2026-12-07 09:00, until: 2026-12-08 09:00, person: lee}]
  quiet: {members: [dana], fallback: dana}
`

func parse(t testing.TB, text string) *owners.Directory {
	t.Helper()
	d, err := owners.Parse("owners.yaml", []byte(text))
	require.NoError(t, err)
	return d
}

func in(t testing.TB, zone, text string) time.Time {
	t.Helper()
	z, err := time.LoadLocation(zone)
	require.NoError(t, err)
	at, err := time.ParseInLocation("2006-01-02 15:04", text, z)
	require.NoError(t, err)
	return at
}

func TestWhoAnswersWhenAndWhy(t *testing.T) {
	t.Parallel()
	d := parse(t, rotating)
	for _, c := range []struct{ at, ref, person, why string }{
		{"2026-11-30 09:00", "team:platform", "dana", owners.WhyRotation},
		{"2026-12-07 08:59", "team:platform", "dana", owners.WhyRotation},
		{"2026-12-07 09:00", "team:platform", "lee", owners.WhyOverride},
		{"2026-12-08 09:00", "team:platform", "kim", owners.WhyRotation},
		{"2026-12-14 09:00", "team:platform", "lee", owners.WhyRotation},
		{"2026-12-23 23:59", "team:platform", "dana", owners.WhyRotation},
		{"2026-12-24 00:00", "team:platform", "kim", owners.WhyStandsIn},
		{"2027-01-02 23:59", "team:platform", "kim", owners.WhyRotation},
		{"2026-11-29 09:00", "team:platform", "lee", owners.WhyRotation}, // before the first hand-over, too
		{"2026-11-30 09:00", "team:quiet", "dana", owners.WhyTeam},
		{"2026-12-25 09:00", "team:quiet", "kim", owners.WhyManager},
		{"2026-11-30 09:00", "person:dana", "dana", owners.WhyOwner},
		{"2026-12-25 09:00", "person:dana", "kim", owners.WhyManager},
		{"2027-01-03 00:00", "person:dana", "dana", owners.WhyOwner},
		{"2026-11-30 09:00", "person:gone", "kim", owners.WhyManager},
		{"2026-11-30 09:00", "person:nobody", "boss", owners.WhyFallback},
		{"2026-11-30 09:00", "team:nobody", "boss", owners.WhyFallback},
	} {
		at := in(t, "Europe/Berlin", c.at)
		a := d.Answers(c.ref, at)
		assert.Equal(t, "person:"+c.person, a.Person, "%s at %s", c.ref, c.at)
		assert.Equal(t, c.why, a.Why, "%s at %s", c.ref, c.at)
		assert.Equal(t, a.Person, d.Accountable(c.ref, at))
	}
	assert.False(t, d.Has("person:gone"), "who has left owns nothing")
	a := d.Answers("team:platform", in(t, "Europe/Berlin", "2026-12-01 12:00"))
	assert.Equal(t, in(t, "Europe/Berlin", "2026-11-30 09:00").UTC(), a.Since.UTC())
	assert.Equal(t, in(t, "Europe/Berlin", "2026-12-07 09:00").UTC(), a.Until.UTC())
}

// Hand-overs stay at their time of day when the clocks change, and a shift is an hour shorter
// or longer for it.
func TestHandOversKeepTheirTimeOfDay(t *testing.T) {
	t.Parallel()
	d := parse(t, "people: {a: {name: A}, b: {name: B}}\nteams:\n  t: {members: [a, b], oncall: {zone: Europe/Berlin, start: 2026-03-23 09:00, every: 1d}}\n")
	shifts := d.Schedule("team:t", in(t, "Europe/Berlin", "2026-03-28 09:00"), in(t, "Europe/Berlin", "2026-03-31 09:00"))
	require.Len(t, shifts, 3)
	assert.Equal(t, 23*time.Hour, shifts[0].Until.Sub(shifts[0].Since), "the clocks go forward")
	for _, s := range shifts {
		assert.Equal(t, "09:00", s.Until.In(in(t, "Europe/Berlin", "2026-03-28 09:00").Location()).Format("15:04"))
	}
	shifts = d.Schedule("team:t", in(t, "Europe/Berlin", "2026-10-24 09:00"), in(t, "Europe/Berlin", "2026-10-26 09:00"))
	assert.Equal(t, 25*time.Hour, shifts[0].Until.Sub(shifts[0].Since), "and back")
}

// Whatever the files say, as long as they name a fallback: at every moment of ten years one
// person answers who is there, and shifts follow each other without a gap.
func TestAtEveryMomentSomebodyAnswers(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test's
	zones := []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "America/Sao_Paulo", "UTC"}
	spans := []string{"1h", "7h", "12h", "25h", "1d", "3d", "1w", "2w"}
	day := func() string {
		return time.Date(2024+random.IntN(10), time.Month(1+random.IntN(12)), 1+random.IntN(28), 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	}
	for range 60 {
		var people strings.Builder
		people.WriteString("fallback: f\npeople:\n  f: {name: F}\n")
		names := []string{"a", "b", "c", "d"}[:1+random.IntN(4)]
		for i, name := range names {
			fmt.Fprintf(&people, "  %s: {zone: %s, manager: %s, active: %t, absent: [", name, zones[random.IntN(len(zones))], append(names, "f")[(i+1)%(len(names)+1)], random.IntN(5) > 0)
			for range random.IntN(4) {
				from, until := day(), day()
				if from > until {
					from, until = until, from
				}
				fmt.Fprintf(&people, "{from: %s, until: %s}, ", from, until)
			}
			people.WriteString("]}\n")
		}
		fmt.Fprintf(&people, "teams:\n  t: {members: [%s], oncall: {zone: %s, start: %s %02d:%02d, every: %s, overrides: [{from: %s 02:30, until: 2034-01-01, person: %s}]}}\n",
			strings.Join(names, ", "), zones[random.IntN(len(zones))], day(), random.IntN(24), random.IntN(60), spans[random.IntN(len(spans))], day(), names[0])
		text := strings.ReplaceAll(people.String(), "absent: []", "active: true")
		if strings.Count(text, "active:") != strings.Count(people.String(), "active:") {
			text = strings.ReplaceAll(people.String(), ", absent: []", "")
		}
		d := parse(t, text)
		for range 300 {
			at := time.Unix(1704067200+random.Int64N(10*366*86400), 0)
			for _, ref := range []string{"team:t", "person:a"} {
				a := d.Answers(ref, at)
				require.NotEmpty(t, a.Person, text)
				require.True(t, d.Has(a.Person), "%s: who has left does not answer\n%s", a.Person, text)
				require.Equal(t, a.Person, d.Accountable(ref, at), "what is remembered is right\n%s", text)
				require.False(t, a.Since.After(at), text)
				if a.Until.IsZero() {
					continue
				}
				require.True(t, a.Until.After(at), "%s %s %s\n%s", ref, at, a.Until, text)
				within := at.Add(time.Duration(random.Int64N(int64(a.Until.Sub(at)))))
				b := d.Answers(ref, within)
				require.Equal(t, []string{a.Person, a.Why}, []string{b.Person, b.Why}, "%s is the same from %s to %s\n%s", ref, at, a.Until, text)
			}
		}
		last := time.Unix(1704067200, 0)
		for i, s := range d.Schedule("team:t", last, last.AddDate(0, 3, 0)) {
			if i > 0 {
				require.Equal(t, last.Unix(), s.Since.Unix(), "no gap\n%s", text)
			}
			last = s.Until
		}
	}
}

func TestManagersInACircleAnswerToNobody(t *testing.T) {
	t.Parallel()
	d := parse(t, "people:\n  a: {active: false, manager: b}\n  b: {active: false, manager: c}\n  c: {active: false, manager: a}\n  d: {name: D}\n")
	assert.Empty(t, d.Accountable("person:a", now))
}

func BenchmarkAccountable(b *testing.B) {
	d := parse(b, rotating)
	b.ReportAllocs()
	for b.Loop() {
		d.Accountable("team:platform", now)
	}
}
