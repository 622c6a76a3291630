# rrelu's key, a number of 64 bits, as its upper and its lower 32 bits.

WORD <- 4294967296

key.of <- function(seed) {
  if (is.null(seed)) return(NULL)
  expected <- "`seed` must be a whole number from 0 to 2^53, a string of digits below 2^64, or NULL"
  if (is.single(seed, is.character) && grepl("^[0-9]{1,20}$", seed)) {
    key <- key.of.digits(as.integer(strsplit(seed, "")[[1L]]))
  } else if (is.single(seed, is.numeric) && seed >= 0 && seed <= 2^53 && seed %% 1 == 0) {
    key <- c(seed %/% WORD, seed %% WORD)
  } else {
    refuse(expected, ", got ", shown(seed))
  }
  if (key[1L] >= WORD) refuse(expected, ", got ", shown(seed))
  key
}

key.of.digits <- function(digits) {
  key <- c(0, 0)
  for (digit in digits) {
    low <- key[2L] * 10 + digit
    key <- c(key[1L] * 10 + low %/% WORD, low %% WORD)
  }
  key
}

# From R's own generator, which set.seed() governs.
drawn.key <- function() floor(runif(2L) * WORD)
