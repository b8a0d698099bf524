package budget_test

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials/budget"
)

// service counts as GitHub does: so many requests in an hour, told with each answer.
type service struct {
	limit, remaining int
	reset            time.Time
}

func (s *service) serve() budget.Answer {
	if now := time.Now(); !now.Before(s.reset) {
		s.remaining, s.reset = s.limit, now.Add(time.Hour)
	}
	if s.remaining == 0 {
		return budget.Answer{Resource: "core", Limit: s.limit, Reset: s.reset, Backoff: time.Minute}
	}
	s.remaining--
	return budget.Answer{Resource: "core", Limit: s.limit, Remaining: s.remaining, Reset: s.reset}
}

// ask is one request of an agent.
func ask(t *testing.T, b *budget.Budgets[int], s *service, agent string) bool {
	turn, _, after := b.Admit(1, budget.Ask{Agent: agent, Resource: "core", Points: 1})
	if turn == nil {
		require.Positive(t, after)
		return false
	}
	answer := s.serve()
	require.Zero(t, answer.Backoff, "GitHub never has to say no")
	turn.Answered(answer)
	turn.Done()
	return true
}

func TestARunawayLeavesTheOthersTheirShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, s := budget.New[int](time.Now), &service{limit: 5000}
		got := map[string]int{}
		for second := range 3590 {
			for range 5 { // one agent asks without end
				if ask(t, b, s, "runaway") {
					got["runaway"]++
				}
			}
			for n := range 19 { // and 19 once in a minute
				agent := fmt.Sprint("agent ", n)
				if second >= 60 && second%60 == n {
					require.True(t, ask(t, b, s, agent), "%s at second %d, of %d left", agent, second, s.remaining)
					got[agent]++
				}
			}
			time.Sleep(time.Second)
		}
		assert.Equal(t, 59, got["agent 0"])
		assert.Greater(t, got["runaway"], 2700, "half of it at once, and then its share")
		newcomer := ask(t, b, s, "newcomer")
		assert.True(t, newcomer, "who comes last finds something")
	})
}

func TestAgentsThatAllAskWithoutEndGetTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, s := budget.New[int](time.Now), &service{limit: 5000, remaining: 2500, reset: time.Now().Add(time.Hour)}
		got := make([]int, 20)
		for range 3599 {
			for n := range got {
				if ask(t, b, s, strconv.Itoa(n)) {
					got[n]++
				}
			}
			time.Sleep(time.Second)
		}
		for n := range got {
			assert.InDelta(t, 125, got[n], 8, "agent %d", n)
		}
	})
}

func TestNothingIsAskedWhileBackedOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New[int](time.Now)
		turn, _, _ := b.Admit(1, budget.Ask{Agent: "a", Resource: "core", Points: 1})
		turn.Answered(budget.Answer{Backoff: 30 * time.Second})
		turn.Done()
		turn.Done()
		for _, points := range []int{0, 1} {
			turn, limit, after := b.Admit(1, budget.Ask{Agent: "b", Resource: "graphql", Points: points})
			assert.Nil(t, turn)
			assert.Equal(t, "backoff", limit)
			assert.Equal(t, 30*time.Second, after)
		}
		turn, _, _ = b.Admit(2, budget.Ask{Agent: "b", Resource: "core", Points: 1})
		assert.NotNil(t, turn, "another account has nothing to do with it")
		standing := b.Standings(func(k int) bool { return k == 1 })[1]
		require.Len(t, standing, 1)
		assert.Equal(t, time.Now().Add(30*time.Second), standing[0].Until)
		time.Sleep(30 * time.Second)
		turn, _, _ = b.Admit(1, budget.Ask{Agent: "b", Resource: "core", Points: 1})
		assert.NotNil(t, turn)
	})
}

func TestAnEmptyBudgetIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New[int](time.Now)
		turn, _, _ := b.Admit(1, budget.Ask{Agent: "a", Resource: "core", Points: 1})
		turn.Answered(budget.Answer{Resource: "core", Limit: 60, Reset: time.Now().Add(time.Minute)})
		turn.Done()
		turn, limit, after := b.Admit(1, budget.Ask{Agent: "a", Resource: "core", Points: 1})
		assert.Nil(t, turn)
		assert.Equal(t, "core", limit)
		assert.Equal(t, time.Minute, after)
		turn, _, _ = b.Admit(1, budget.Ask{Agent: "a", Resource: "search", Points: 1})
		assert.NotNil(t, turn, "its budget is another")
		time.Sleep(time.Minute)
		turn, _, _ = b.Admit(1, budget.Ask{Agent: "a", Resource: "core", Points: 1})
		assert.NotNil(t, turn)
	})
}

func TestMinutesAndPlacesAreSharedToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New[int](time.Now)
		limits := budget.Limits{Minute: 900, Concurrent: 100}
		admit := func(agent string, points int) (*budget.Turn[int], string) {
			turn, limit, _ := b.Admit(1, budget.Ask{Agent: agent, Resource: "core", Points: points, Limits: limits})
			return turn, limit
		}
		var open []*budget.Turn[int]
		for {
			turn, limit := admit("runaway", 1)
			if turn == nil {
				assert.Equal(t, "concurrent", limit)
				break
			}
			open = append(open, turn)
		}
		assert.Len(t, open, 100, "alone it may have all places")
		turn, limit := admit("other", 1)
		assert.Nil(t, turn)
		assert.Equal(t, "concurrent", limit)
		for _, turn := range open {
			turn.Done()
		}
		for n := range 100 {
			turn, _ := admit("runaway", 1)
			if n < 50 {
				require.NotNil(t, turn)
			} else {
				require.Nil(t, turn, "with another at work, half of them")
			}
			open = append(open, turn)
		}
		other, _ := admit("other", 1)
		require.NotNil(t, other)
		other.Done()
		for _, turn := range open {
			turn.Done()
		}
		taken := 0
		for {
			turn, limit := admit("runaway", 5)
			if turn == nil {
				assert.Equal(t, "minute", limit)
				break
			}
			turn.Done()
			taken += 5
		}
		assert.Less(t, taken, 600)
		turn, _ = admit("other", 5)
		assert.NotNil(t, turn)
		time.Sleep(time.Minute)
		turn, _ = admit("runaway", 5)
		assert.NotNil(t, turn)
	})
}
