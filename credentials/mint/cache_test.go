package mint_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials/mint"
)

func options() mint.Options[string] {
	return mint.Options[string]{
		Limit: 10 * time.Second, Refresh: 5.0 / 6, Margin: time.Minute, Failure: 2 * time.Second, Size: 100,
		Now: time.Now, Jitter: func() float64 { return 0 },
	}
}

// minter counts its mints; each takes a second and lasts an hour.
type minter struct {
	count atomic.Int64
	err   atomic.Pointer[error]
}

func (m *minter) mint(ctx context.Context) (mint.Minted[string], error) {
	n := m.count.Add(1)
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return mint.Minted[string]{}, ctx.Err()
	}
	if err := m.err.Load(); err != nil {
		return mint.Minted[string]{}, *err
	}
	return mint.Minted[string]{Value: "token " + strconv.FormatInt(n, 10), Expires: time.Now().Add(time.Hour)}, nil
}

func (m *minter) fail(err error) { m.err.Store(&err) }

func TestOneMintServes200Callers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, m := mint.New[string](options()), &minter{}
		leaver, leave := context.WithCancel(t.Context())
		go func() {
			_, err := c.Get(leaver, "k", m.mint)
			assert.ErrorIs(t, err, context.Canceled)
		}()
		synctest.Wait()
		var callers sync.WaitGroup
		for range 200 {
			callers.Go(func() {
				value, err := c.Get(t.Context(), "k", m.mint)
				assert.NoError(t, err)
				assert.Equal(t, "token 1", value)
			})
		}
		leave()
		callers.Wait()
		assert.EqualValues(t, 1, m.count.Load())
		c.Wait()
	})
}

func TestValuesAreMintedAnewInTheBackground(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, m := mint.New[string](options()), &minter{}
		get := func() string {
			value, err := c.Get(t.Context(), "k", m.mint)
			require.NoError(t, err)
			return value
		}
		assert.Equal(t, "token 1", get())
		time.Sleep(49 * time.Minute)
		assert.Equal(t, "token 1", get())
		assert.EqualValues(t, 1, m.count.Load())
		time.Sleep(2 * time.Minute)
		began := time.Now()
		assert.Equal(t, "token 1", get(), "the caller does not wait")
		assert.Zero(t, time.Since(began))
		c.Wait()
		assert.Equal(t, "token 2", get())

		m.fail(errors.New("down"))
		time.Sleep(51 * time.Minute)
		assert.Equal(t, "token 2", get())
		c.Wait()
		assert.Equal(t, "token 2", get(), "a failure does not matter while a value is good")
		assert.EqualValues(t, 3, m.count.Load(), "and is not repeated at once")
		time.Sleep(9 * time.Minute)
		_, err := c.Get(t.Context(), "k", m.mint)
		require.EqualError(t, err, "down", "never past its expiry")
		c.Wait()
	})
}

func TestFailuresAreTheAnswerForAMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, m := mint.New[string](options()), &minter{}
		m.fail(errors.New("down"))
		for range 10 {
			_, err := c.Get(t.Context(), "k", m.mint)
			require.EqualError(t, err, "down")
		}
		assert.EqualValues(t, 1, m.count.Load())
		for _, pause := range []time.Duration{2, 4, 8, 16, 16} {
			time.Sleep(pause*time.Second - 1)
			before := m.count.Load()
			_, err := c.Get(t.Context(), "k", m.mint)
			require.EqualError(t, err, "down")
			assert.Equal(t, before, m.count.Load(), "the answer for %d s", pause)
			time.Sleep(time.Nanosecond)
			_, err = c.Get(t.Context(), "k", m.mint)
			require.EqualError(t, err, "down")
			assert.Equal(t, before+1, m.count.Load(), "and no longer")
		}
		m.err.Store(nil)
		time.Sleep(16 * time.Second)
		value, err := c.Get(t.Context(), "k", m.mint)
		require.NoError(t, err)
		assert.Equal(t, "token 7", value)
	})
}

// busy is a failure that says when to come back.
type busy struct{}

func (busy) Error() string { return "busy" }

func (busy) RetryAfter() time.Duration { return time.Minute }

func TestAFailureSaysHowLongItLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, m := mint.New[string](options()), &minter{}
		m.fail(fmt.Errorf("ask: %w", busy{}))
		_, err := c.Get(t.Context(), "k", m.mint)
		require.ErrorIs(t, err, busy{})
		m.err.Store(nil)
		time.Sleep(time.Minute - 1)
		_, err = c.Get(t.Context(), "k", m.mint)
		require.ErrorIs(t, err, busy{})
		assert.EqualValues(t, 1, m.count.Load())
		time.Sleep(time.Nanosecond)
		_, err = c.Get(t.Context(), "k", m.mint)
		require.NoError(t, err)
	})
}

func TestAHungMintHurtsItsOwnKeyOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, m := mint.New[string](options()), &minter{}
		release := make(chan struct{})
		hang := func(context.Context) (mint.Minted[string], error) { // deaf to its context too
			<-release
			return mint.Minted[string]{}, errors.New("late")
		}
		began := time.Now()
		go func() {
			value, err := c.Get(t.Context(), "fine", m.mint)
			assert.NoError(t, err)
			assert.Equal(t, "token 1", value)
			assert.Equal(t, time.Second, time.Since(began))
		}()
		_, err := c.Get(t.Context(), "hung", hang)
		require.EqualError(t, err, "mint: no answer within 10s")
		assert.Equal(t, 10*time.Second, time.Since(began))
		close(release)
		c.Wait()
	})
}

func TestClockJumps(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]time.Duration{"forward": 2 * time.Hour, "back": -2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := options()
				var set time.Duration
				o.Now = func() time.Time { return time.Now().Add(set).Round(0) }
				c, m := mint.New[string](o), &minter{}
				value, err := c.Get(t.Context(), "k", m.mint)
				require.NoError(t, err)
				require.Equal(t, "token 1", value)
				set = jump
				if jump > 0 {
					// By the wall clock it is over, and so is all that this issuer mints.
					_, err = c.Get(t.Context(), "k", m.mint)
					require.ErrorContains(t, err, "expired already")
					assert.EqualValues(t, 2, m.count.Load())
					return
				}
				time.Sleep(59 * time.Minute)
				m.fail(errors.New("down"))
				_, err = c.Get(t.Context(), "k", m.mint)
				require.EqualError(t, err, "down", "by the time that has passed it is over")
			})
		})
	}
}

func TestRemovedValuesAreNotHandedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options()
		var discarded atomic.Value
		o.Discard = func(value string) { discarded.Store(value) }
		c, m := mint.New[string](o), &minter{}
		_, err := c.Get(t.Context(), "a/1", m.mint)
		require.NoError(t, err)
		go func() {
			_, err := c.Get(t.Context(), "a/2", m.mint)
			assert.ErrorIs(t, err, mint.ErrRemoved)
		}()
		synctest.Wait()
		assert.Equal(t, []string{"token 1"}, c.Remove(func(key string) bool { return key[0] == 'a' }))
		assert.Zero(t, c.Len())
		c.Wait()
		assert.Equal(t, "token 2", discarded.Load(), "what comes late is given back")
		value, err := c.Get(t.Context(), "a/1", m.mint)
		require.NoError(t, err)
		assert.Equal(t, "token 3", value)
	})
}

func TestRemoveReturnsWhatWasMintedAnewToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, m := mint.New[string](options()), &minter{}
		for _, pause := range []time.Duration{0, 51 * time.Minute} {
			time.Sleep(pause)
			_, err := c.Get(t.Context(), "k", m.mint)
			require.NoError(t, err)
			c.Wait()
		}
		all := func(string) bool { return true }
		assert.Equal(t, []string{"token 1", "token 2"}, c.Remove(all), "requests may be under way with the first")
		assert.Empty(t, c.Remove(all))

		_, err := c.Get(t.Context(), "k", m.mint)
		require.NoError(t, err)
		time.Sleep(2 * time.Hour)
		assert.Empty(t, c.Remove(all), "what has expired needs no revocation")
	})
}

func TestSizeIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options()
		var discarded atomic.Int64
		o.Discard = func(string) { discarded.Add(1) }
		c, m := mint.New[int](o), &minter{}
		for key := range 500 {
			_, err := c.Get(t.Context(), key, m.mint)
			require.NoError(t, err)
			require.LessOrEqual(t, c.Len(), 100)
			_, err = c.Get(t.Context(), 0, m.mint)
			require.NoError(t, err)
		}
		count := m.count.Load()
		assert.EqualValues(t, 500, count, "what is used stays")
		_, err := c.Get(t.Context(), 499, m.mint)
		require.NoError(t, err)
		assert.Equal(t, count, m.count.Load(), "the newest is kept")
		c.Wait()
		assert.EqualValues(t, 400, discarded.Load(), "nothing that is good is forgotten")
	})
}

func TestJitterSpreadsRefreshes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Jitter = func() float64 { return 0.5 }
		c, m := mint.New[string](o), &minter{}
		_, err := c.Get(t.Context(), "k", m.mint)
		require.NoError(t, err)
		for _, expected := range []int64{1, 2} { // after 52 minutes, and after 54
			time.Sleep(50*time.Minute + 2*time.Minute*time.Duration(expected) - time.Since(start(t)))
			_, err = c.Get(t.Context(), "k", m.mint)
			require.NoError(t, err)
			c.Wait()
			assert.Equal(t, expected, m.count.Load())
		}
	})
}

// start is when every bubble's clock starts.
func start(t *testing.T) time.Time {
	t.Helper()
	return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
}

func TestASpoiltValueIsMintedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options()
		var discarded atomic.Value
		o.Discard = func(value string) { discarded.Store(value) }
		c, m := mint.New[string](o), &minter{}
		get := func() string {
			value, err := c.Get(t.Context(), "k", m.mint)
			require.NoError(t, err)
			return value
		}
		c.Spoil("k", func(string) bool { return true }) // there is none yet
		assert.Equal(t, "token 1", get())
		c.Spoil("k", func(value string) bool { return value == "token 7" })
		assert.Equal(t, "token 1", get(), "it was another that spoilt")
		c.Spoil("k", func(value string) bool { return value == "token 1" })
		assert.Equal(t, "token 2", get())
		assert.EqualValues(t, 2, m.count.Load())
		c.Wait()
		assert.Equal(t, "token 1", discarded.Load(), "it is given back, in case that it still works")
	})
}
