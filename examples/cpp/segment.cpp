// A student in a car: OpenVINO and libpng, without Python.
//   lix export runs/lix student.onnx
//   segment student.onnx picture.png labels.png
// The value of a pixel of labels.png is the number of its class; they are those of `lix predict`.
#include <png.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <openvino/openvino.hpp>
#include <stdexcept>
#include <string>
#include <vector>

using Bytes = std::vector<unsigned char>;

Bytes read_png(const char* path, size_t& height, size_t& width) {
    png_image png{};
    png.version = PNG_IMAGE_VERSION;
    const auto check = [&](int ok) { if (!ok) throw std::runtime_error(std::string(path) + ": " + png.message); };
    check(png_image_begin_read_from_file(&png, path));
    png.format = PNG_FORMAT_RGB;
    Bytes pixels(PNG_IMAGE_SIZE(png));
    check(png_image_finish_read(&png, nullptr, pixels.data(), 0, nullptr));
    height = png.height;
    width = png.width;
    return pixels;
}

void write_png(const char* path, size_t height, size_t width, const Bytes& values) {
    png_image png{};
    png.version = PNG_IMAGE_VERSION;
    png.format = PNG_FORMAT_GRAY;
    png.height = height;
    png.width = width;
    if (!png_image_write_to_file(&png, path, 0, values.data(), 0, nullptr))
        throw std::runtime_error(std::string(path) + ": " + png.message);
}

// Bytes of [outer][from][inner] → [outer][to][inner], as PyTorch resizes them with antialiasing.
Bytes resize(const Bytes& bytes, size_t outer, size_t from, size_t inner, size_t to) {
    if (from == to) return bytes;
    const double scale = double(from) / to, support = std::max(scale, 1.0);
    std::vector<std::vector<double>> weights(to);
    std::vector<size_t> first(to);
    double largest = 0;
    for (size_t i = 0; i < to; i++) {
        const double centre = scale * (i + 0.5);
        first[i] = std::max(int(centre - support + 0.5), 0);
        const size_t last = std::min(size_t(centre + support + 0.5), from);
        double sum = 0;
        for (size_t j = first[i]; j < last; j++) {
            weights[i].push_back(std::max(0.0, 1 - std::abs((j - centre + 0.5) / support)));
            sum += weights[i].back();
        }
        for (double& weight : weights[i]) largest = std::max(largest, weight /= sum);
    }
    int bits = 0;  // the weights become whole numbers of 2^-bits, below 2^15
    while (bits < 22 && int(0.5 + largest * (1 << (bits + 1))) < 1 << 15) bits++;
    Bytes result(outer * to * inner);
    for (size_t o = 0, at = 0; o < outer; o++)
        for (size_t i = 0; i < to; i++)
            for (size_t k = 0; k < inner; k++) {
                int sum = 1 << (bits - 1);
                for (size_t w = 0; w < weights[i].size(); w++)
                    sum += int(weights[i][w] * (1 << bits) + 0.5) * bytes[(o * from + first[i] + w) * inner + k];
                result[at++] = std::clamp(sum >> bits, 0, 255);
            }
    return result;
}

// Logits (1, K, h, w), resized bilinearly to the picture's size → the best class of each pixel.
Bytes labels_of(const ov::Tensor& logits, size_t height, size_t width) {
    const auto shape = logits.get_shape();
    const size_t rows = shape[2], columns = shape[3];
    const auto place = [](size_t at, size_t from, size_t to) {
        return std::max(0.0f, float(double(float(from) / to) * (at + 0.5) - 0.5));
    };
    const auto blend = [](float a, float b, float weight) { return std::fma(a, 1 - weight, b * weight); };
    Bytes labels(height * width);
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            const float down = place(y, rows, height), across = place(x, columns, width);
            const size_t top = down, left = across;
            const size_t below = std::min(top + 1, rows - 1) - top, right = std::min(left + 1, columns - 1) - left;
            float best = -INFINITY;
            for (size_t c = 0; c < shape[1]; c++) {
                const float* p = logits.data<float>() + (c * rows + top) * columns + left;
                const float above = blend(p[0], p[right], across - left);
                const float under = blend(p[below * columns], p[below * columns + right], across - left);
                const float logit = blend(above, under, down - top);
                if (logit > best) best = logit, labels[y * width + x] = c;
            }
        }
    return labels;
}

int main(int count, char** words) try {
    if (count != 4) throw std::runtime_error("usage: segment STUDENT.onnx PICTURE.png LABELS.png");
    size_t height, width, rows, columns;
    Bytes pixels = read_png(words[2], height, width);
    ov::Core core;
    const auto model = core.read_model(words[1]);
    const auto size = model->get_rt_info<std::string>("framework", "size");
    if (std::sscanf(size.c_str(), "[%zu, %zu]", &rows, &columns) != 2) throw std::runtime_error("what size is " + size + "?");
    pixels = resize(resize(pixels, height, width, 3, columns), 1, height, 3 * columns, rows);
    ov::Tensor image(ov::element::f32, {1, 3, rows, columns});
    for (size_t i = 0; i < pixels.size(); i++)
        image.data<float>()[i % 3 * rows * columns + i / 3] = pixels[i] / 255.0f;
    // CPUs with bf16 would compute in it by themselves.
    auto request = core.compile_model(model, "CPU", ov::hint::inference_precision(ov::element::f32)).create_infer_request();
    request.set_input_tensor(image);
    request.infer();
    write_png(words[3], height, width, labels_of(request.get_output_tensor(), height, width));
} catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
}
