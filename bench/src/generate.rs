//! Generates C sources. No I/O; the same number gives the same text.

use std::fmt::Write;

/// A unit of some dozen lines with common headers.
pub fn small(i: usize) -> String {
    format!(
        "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\n\
         struct part{i} {{ int id; char name[32]; }};\n\n\
         struct part{i} *part{i}_new(const char *name)\n{{\n    \
             struct part{i} *part = calloc(1, sizeof *part);\n    \
             if (part == NULL)\n        return NULL;\n    \
             part->id = {i};\n    \
             strncpy(part->name, name, sizeof part->name - 1);\n    \
             return part;\n}}\n\n\
         int part{i}_sum(const struct part{i} *parts, size_t count)\n{{\n    \
             int sum = 0;\n    \
             for (size_t i = 0; i < count; i++)\n        sum += parts[i].id ^ (int)strlen(parts[i].name);\n    \
             return sum;\n}}\n\n\
         void part{i}_print(const struct part{i} *part)\n{{\n    printf(\"%d %s\\n\", part->id, part->name);\n}}\n"
    )
}

/// A unit of one function with one statement.
pub fn tiny(i: usize) -> String {
    format!("int tiny{i}(int value)\n{{\n    return value * {} + {i};\n}}\n", i % 17 + 2)
}

/// A unit of loops and branches that takes the optimiser about a tenth of a second.
pub fn heavy(i: usize) -> String {
    const FUNCTIONS: usize = 3;
    let mut text = String::new();
    for f in 0..FUNCTIONS {
        let (step, mask) = ((i + f) % 13 + 3, (1 << (f % 7 + 2)) - 1);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "double heavy{i}_{f}(double *restrict out, const double *in, const unsigned *key, unsigned count)\n{{\n    \
                 double sum = {f};\n    \
                 for (unsigned i = 0; i + {step} < count; i++) {{\n        \
                     unsigned state = key[i] * {step}u;\n        \
                     for (unsigned j = 0; j < {step}; j++) {{\n            \
                         switch ((state ^ j) & {mask}) {{\n            \
                         case 0: sum += in[i + j] * {f}.5; break;\n            \
                         case 1: sum -= in[i] / (in[i + j] + {step}); state += key[j]; break;\n            \
                         case 2: out[i] = sum; state = state >> 3 | state << 29; break;\n            \
                         case 3: out[i + j] += in[j] * sum; break;\n            \
                         default: sum *= 1.0 + in[i + j] * 0.001; state ^= key[i + j];\n            \
                         }}\n        \
                     }}\n        \
                     out[i] += sum + state;\n    \
                 }}\n    \
                 for (unsigned i = 0; i < count; i++)\n        \
                     out[i] = out[i] * in[i] + {step} * in[count - 1 - i];\n    \
                 return sum;\n}}\n\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generate_units_share_no_names() {
        let functions = |text: &str| text.matches('{').count() == text.matches('}').count();
        for text in [small(3), tiny(3), heavy(3)] {
            assert!(functions(&text), "{text}");
        }
        assert!(heavy(3).contains("heavy3_0(") && !heavy(3).contains("heavy4_"));
        assert_eq!(tiny(16), "int tiny16(int value)\n{\n    return value * 18 + 16;\n}\n");
    }
}
