// describe HEADER OUTPUT: for each `struct` in a header, writes a function that prints a value of it
// with the names of its members. It reads one member a line, as `type name;`.

#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

int main(int argc, char **argv) {
    if (argc != 3) {
        std::cerr << "usage: describe HEADER OUTPUT\n";
        return 2;
    }
    const std::string path = argv[1];
    std::ifstream header(path);
    std::ofstream output(argv[2]);
    if (!header || !output) {
        std::cerr << "describe: cannot open " << (header ? argv[2] : argv[1]) << "\n";
        return 1;
    }
    output << "#include \"" << path.substr(path.rfind('/') + 1) << "\"\n#include <ostream>\n";
    std::string name;
    for (std::string line; std::getline(header, line);) {
        std::istringstream words(line);
        std::string first, second;
        words >> first >> second;
        if (first == "struct") {
            name = second;
            output << "\nvoid describe(std::ostream &out, const " << name << " &value) {\n"
                   << "    out << \"" << name << "\";\n";
        } else if (first == "};" && !name.empty()) {
            output << "    out << '\\n';\n}\n";
            name.clear();
        } else if (!name.empty() && second.size() > 1 && second.back() == ';') {
            second.pop_back();
            output << "    out << \" " << second << "=\" << value." << second << ";\n";
        }
    }
    return output.flush() ? 0 : 1;
}
