rectifier.buffer.limit <- function(bytes = NULL) {
  before <- .Call(C_buffer_limit, NULL)
  if (is.null(bytes)) return(before)
  default <- length(bytes) == 1L && is.na(bytes) && !is.nan(bytes)
  if (!default && (!is.single(bytes, is.numeric) || bytes < 0))
    refuse("`bytes` must be a number, 0 or more, or NA, got ", shown(bytes))
  # Beyond 2^53, more than there is memory, doubles say nothing of use.
  .Call(C_buffer_limit, if (default) NA_real_ else min(floor(bytes), 2^53))
  invisible(before)
}

rectifier.release.buffers <- function() .Call(C_release)
