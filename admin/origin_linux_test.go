package admin_test

import (
	"os"
	"os/user"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/admin"
)

// TestSelfIsWhoLoggedIn: what the kernel says of this process is in its events.
func TestSelfIsWhoLoggedIn(t *testing.T) {
	t.Parallel()
	payload := admin.Self().Payload()
	data, err := os.ReadFile("/proc/self/loginuid")
	uid := strings.TrimSpace(string(data))
	if err != nil || uid == "4294967295" {
		assert.NotContains(t, payload, "login_uid", "no login has led to this process")
		return
	}
	n, err := strconv.Atoi(uid)
	assert.NoError(t, err)
	assert.Equal(t, n, payload["login_uid"])
	if u, err := user.LookupId(uid); err == nil {
		assert.Equal(t, u.Username, payload["login_user"])
	}
}
