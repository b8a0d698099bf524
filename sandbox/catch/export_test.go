package catch

import "time"

// NewSmallNames is a book with few addresses.
func NewSmallNames(now func() time.Time, most int) *Names {
	n := NewNames(now)
	n.most = most
	return n
}
