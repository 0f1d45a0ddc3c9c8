#include "trace/trace-shadow.h"
