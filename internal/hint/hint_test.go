package hint_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/internal/hint"
)

func TestAHintIsBesideTheError(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("open: %w", hint.With(fs.ErrNotExist, "run `%s`", "sallyport init"))
	assert.EqualError(t, err, "open: file does not exist")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.Equal(t, "run `sallyport init`", hint.Of(err))
	assert.Equal(t, "run `sallyport init`", hint.Of(errors.Join(errors.New("first"), err)))
	assert.Empty(t, hint.Of(errors.New("none")))
	assert.Empty(t, hint.Of(nil))
}
